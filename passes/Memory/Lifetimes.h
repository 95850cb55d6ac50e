//===- Lifetimes.h - When the buffers of a program are needed ---*- C++ -*-===//

#ifndef LATHE_PASSES_MEMORY_LIFETIMES_H
#define LATHE_PASSES_MEMORY_LIFETIMES_H

#include "dialects/Step/StepOps.h"

namespace lathe::step {

/// A buffer and the phases, by number in program order, from its first access
/// to its last.  Phases of different bodies of a layer stack are numbered one
/// body after the other.
struct Lifetime {
  AllocOp buffer;
  int64_t first;
  int64_t last;
};

/// The lifetimes of all buffers that are accessed, in program order of the
/// allocations.
llvm::SmallVector<Lifetime> computeLifetimes(ProgramOp program);

} // namespace lathe::step

#endif // LATHE_PASSES_MEMORY_LIFETIMES_H
