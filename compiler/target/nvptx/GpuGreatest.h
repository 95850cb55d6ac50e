//===- GpuGreatest.h - The greatest logits of a step ------------*- C++ -*-===//
//
// What stands behind the output head of entries for a few rows: each block finds the
// greatest logits of parts of the vocabulary, all meet, and a block for each row makes one
// list of those of its parts.  A sampler that needs no more than the greatest then needs
// no row of logits, and the next step finds its token in the GPU's memory.
//
// Which logits are found, and in which order they stand, does not depend on who looks:
// a logit and its token are one number, and no two are equal.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUGREATEST_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUGREATEST_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

class GpuGreatest {
public:
  explicit GpuGreatest(step::ProgramOp program);

  /// How many of the greatest a step of the program may ask for; 0: it finds none.
  int64_t most() const { return mostWanted; }
  /// Shared memory of a block.
  int64_t sharedBytes() const;
  /// Memory of the step that blocks give each other things in.
  int64_t scratchBytes() const;

  /// Emits the body of a function that gets the step's arguments, in global memory, the
  /// block and their number, as i64: of all blocks ahead of meeting, and behind.
  void emitParts(mlir::func::FuncOp function) const;
  void emitWhole(mlir::func::FuncOp function) const;

private:
  int64_t vocabulary, rows, mostWanted;
  int64_t elements; ///< Logits of a part that a thread looks at.
  int64_t parts;    ///< Of a row, at most one for each thread of a block.
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUGREATEST_H
