//===- GpuTiles.h - Products of rows and a panel of weights -----*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUTILES_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUTILES_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

/// A panel, and the rows that meet it.
struct GpuPanel {
  mlir::Value weights;        ///< Its packed bytes.
  mlir::Value firstRow, rows; ///< i64: at least 1, at most the context's chunk.
  mlir::Value partials;       ///< Shared memory, f32 [warp][chunk][32].
};

/// Products of the input of `linear` and a panel: a warp's part of k goes to its
/// partials.  The sum for each output depends on k alone, not on the number of rows.
void emitGpuPanel(GpuContext &context, ir::LinearOp linear, const GpuPanel &panel);

/// Adds the partials of all warps, in order, into f32 [chunk] rows of 32.
void emitGpuPanelSums(GpuContext &context, mlir::Value partials, mlir::Value to, int64_t rowBytes);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUTILES_H
