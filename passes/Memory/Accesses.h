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

/// The stack that a step may leave behind any layer, or ahead of the first, to go on from
/// there later (lathe_step_args::resumes): that of an encoder with one.  Else null.
LayersOp getResumedStack(ProgramOp program);

/// One way through a body: its phases and barriers, and its exits, which read their
/// confidence and whose own phases stand beside them.
using Way = llvm::SmallVector<mlir::Operation *>;

/// The ways through a body: past its exit, back from its predicate, and out of the stack.
llvm::SmallVector<Way> getWays(mlir::Region &body);

/// Whether layers of the stack may be left out, or the stack be left.
bool isOrderOpen(LayersOp layers);

/// Pairs of bodies of which the second may run right behind the first, as any layers
/// between them may be left out.  A body that runs first and last has no second: -1.
llvm::SmallVector<std::pair<int64_t, int64_t>> getBodyPairs(LayersOp layers);

} // namespace lathe::step

#endif // LATHE_PASSES_MEMORY_ACCESSES_H
