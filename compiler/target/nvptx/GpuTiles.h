//===- GpuTiles.h - Products of rows and a panel of weights -----*- C++ -*-===//
//
// The warps of a block share the k of a panel.  Which k a warp adds up, and in which
// order, depends on k alone, and the sums of the warps meet in order: so a row has the
// same products beside any other rows.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUTILES_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUTILES_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

/// A panel, and the rows that meet it.
struct GpuPanel {
  mlir::Value weights;        ///< Its packed bytes.
  mlir::Value firstRow, rows; ///< i64: at least 1, at most the context's chunk.
  mlir::Value work;           ///< Shared memory, BlockWarps times `warpBytes`.
  int64_t warpBytes;          ///< What the most demanding linear of the phase takes.
};

/// f32 from one row of 32 sums to the next: lanes that store side by side meet no bank twice.
inline constexpr int64_t PartialStride = 36 * 4;

/// Whether tensor cores compute it: int8 rows, or bf16 rows of a multiple of 16 elements.
bool isTensorProduct(ir::LinearOp linear);

/// Shared memory that a warp takes for a panel and a chunk of so many rows, which are in
/// global memory or, with `sharedInput`, in shared memory.
int64_t gpuPanelWarpBytes(ir::LinearOp linear, int64_t chunk, bool sharedInput);

/// Products of the input of `linear` and a panel: the sums of a warp go to the start of
/// its work memory, f32 [chunk] rows of 32.
void emitGpuPanel(GpuContext &context, ir::LinearOp linear, const GpuPanel &panel);
void emitTensorPanel(GpuContext &context, ir::LinearOp linear, const GpuPanel &panel);

/// Adds the sums of all warps, in order, into f32 [chunk] rows of 32.
void emitGpuPanelSums(GpuContext &context, const GpuPanel &panel, mlir::Value to, int64_t rowBytes);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUTILES_H
