//===- Accesses.h - What memory a phase touches -----------------*- C++ -*-===//

#ifndef LATHE_PASSES_MEMORY_ACCESSES_H
#define LATHE_PASSES_MEMORY_ACCESSES_H

#include "dialects/Step/StepOps.h"

#include "llvm/ADT/SmallVector.h"

#include <utility>

namespace lathe::step {

/// One access of a phase: a buffer of the arena, the KV cache or the logits.
struct Access {
  mlir::Value memory;
  bool write;
};

/// In the order of the ops: loads ahead of the stores that depend on them.
llvm::SmallVector<Access> getAccesses(PhaseOp phase);

/// Whether the two touch a common byte and one of them writes.  Buffers must
/// have their offsets.
bool conflict(const Access &a, const Access &b);

/// Pairs of bodies of which the second may run right behind the first, as any layers
/// between them may be left out.  A body that runs first and last has no second: -1.
llvm::SmallVector<std::pair<int64_t, int64_t>> getBodyPairs(LayersOp layers);

} // namespace lathe::step

#endif // LATHE_PASSES_MEMORY_ACCESSES_H
