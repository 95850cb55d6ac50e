//===- GpuAsync.h - Bulk copies and products of warpgroups ------*- C++ -*-===//
//
// What compute capability 9.0 has beyond GpuBuilder.h.  All of it but the mbarriers sees
// memory through a proxy of its own: what threads write for it has a fence of proxies
// behind it, ahead of the barrier.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUASYNC_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUASYNC_H

#include "compiler/target/nvptx/GpuBuilder.h"

namespace lathe::compiler {

/// Warps that make products together.
inline constexpr int64_t WarpgroupWarps = 4, WarpgroupThreads = WarpgroupWarps * WarpThreads;

void emitProxyFence(GpuBuilder &k);

/// An i64 that all lanes of a warp have, as one that NVIDIA's assembler knows that of: where it
/// does not, it makes products wait for each other.
mlir::Value emitUniform(GpuBuilder &k, mlir::Value number);

//===----------------------------------------------------------------------===//
// Mbarriers: 8 bytes of shared memory.
//===----------------------------------------------------------------------===//

inline constexpr int64_t MbarrierBytes = 8;

/// Phases complete with so many arrivals, and the bytes that they expect.
void emitInitBarrier(GpuBuilder &k, mlir::Value barrier, int64_t arrivals);
/// The memory may be used for something else.
void emitEndBarrier(GpuBuilder &k, mlir::Value barrier);
void emitArrive(GpuBuilder &k, mlir::Value barrier);
void emitArriveAndExpect(GpuBuilder &k, mlir::Value barrier, mlir::Value bytes); ///< i64.
/// Waits for the phase of that parity, an i64; the first is 0.
void emitWaitFor(GpuBuilder &k, mlir::Value barrier, mlir::Value parity);

/// From global into shared memory; `bytes`, an i64, and both places are multiples of 16.  One
/// thread starts it, and the barrier counts its bytes.
void emitBulkCopy(GpuBuilder &k, mlir::Value to, mlir::Value barrier, mlir::Value from,
                  mlir::Value bytes);

//===----------------------------------------------------------------------===//
// Products (wgmma): D += A B for 64 rows and N columns, 16 k, bf16 and f32.
//===----------------------------------------------------------------------===//

/// Columns of 16 k in shared memory: of each, 8 k are 16 bytes, and 8 columns lie one behind the
/// other.
struct GpuColumnsOperand {
  mlir::Value start;
  int64_t halfBytes; ///< From 8 k to the next ones.
};
inline constexpr int64_t ColumnBytes = 16, TileColumns = 8;

/// f32 sums of a thread, as PTX's wgmma has them; those of a product may not be touched ahead of
/// `emitFinishedSums`.
using GpuSums = llvm::SmallVector<mlir::Value>;

/// Ahead of each group: the products may use what is in registers.
void emitProductFence(GpuBuilder &k);
/// Starts one, of four i32 words of A; rows and columns as in GpuBuilder::multiplyBF16.
GpuSums emitWarpgroupProduct(GpuBuilder &k, mlir::ValueRange a, const GpuColumnsOperand &columns,
                             mlir::ValueRange sums);
void emitCloseProducts(GpuBuilder &k);
/// Waits for all groups but the latest ones.
void emitWaitForProducts(GpuBuilder &k, int64_t groupsLeft);
/// Waits for all.
GpuSums emitFinishedSums(GpuBuilder &k, mlir::ValueRange sums);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUASYNC_H
