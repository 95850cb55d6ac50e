//===- GpuWarpgroupTiles.h - Products of rows and panels (wgmma) -*- C++ -*-===//
//
// bf16 rows on compute capability 9.0.  Every entry of a program makes the same products of
// 16 k in the same order, whatever the number of rows and of panels: the first warpgroup of a
// block those of the first half of k, the second the others, and both sums become one.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUWARPGROUPTILES_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUWARPGROUPTILES_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

/// Panels that warpgroups take at a time: 1, 2, or 4, of 32 columns.
inline constexpr int64_t MostWarpgroupPanels = 4;

/// Panels side by side, and the rows that meet them.
struct GpuPanels {
  mlir::Value weights;        ///< Packed bytes of the first.
  mlir::Value count;          ///< i64: those that there are, at least 1 of `most`.
  int64_t most;               ///< That the code is for.
  mlir::Value firstRow, rows; ///< i64: at least 1, at most the context's chunk.
  mlir::Value work;           ///< Shared memory, as much as `gpuPanelsBytes` says.
  mlir::Value sums;           ///< f32 [row][column].
  int64_t sumsRowBytes;
};

/// Whether warpgroups compute it: what tensor cores do, of bf16 rows, where there are any.
bool isWarpgroupProduct(const GpuContext &context, ir::LinearOp linear);

/// The mbarriers at the start of the work memory; what is behind may hold the sums as well.
inline constexpr int64_t PanelsBarrierBytes = 512;

/// Shared memory for panels and a chunk of so many rows, which are in global memory or, with
/// `sharedInput`, in shared memory.
int64_t gpuPanelsBytes(ir::LinearOp linear, int64_t chunk, int64_t panels, bool sharedInput);

/// Products of the input of `linear` and panels, into `sums`.  Threads have met when it ends.
void emitWarpgroupPanels(GpuContext &context, ir::LinearOp linear, const GpuPanels &panels);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUWARPGROUPTILES_H
