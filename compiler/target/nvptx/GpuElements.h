//===- GpuElements.h - Elementwise ops, an element at a time ----*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUELEMENTS_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUELEMENTS_H

#include "compiler/target/nvptx/GpuContext.h"

#include <map>

namespace lathe::compiler {

/// Where a thread finds what the block computed for one row of a tile.
struct GpuTile {
  mlir::Value firstColumn;                                      ///< i64, in the results.
  llvm::SmallDenseMap<mlir::Operation *, mlir::Value> products; ///< f32 rows, by contraction.
  llvm::SmallDenseMap<mlir::Operation *, mlir::Value> norms;    ///< 1 / rms of heads, by norm.
};

/// Elements of one row.  Behind a contraction, its products come from the tile and
/// other ops are computed; elsewhere (no tile) every operand is a finished row.
class GpuElements {
public:
  GpuElements(GpuContext &context, const GpuRow &row, const GpuTile *tile)
      : c(context), k(context.k), row(row), tile(tile) {}

  GpuContext &c;
  GpuBuilder &k;
  const GpuRow row;
  const GpuTile *const tile;

  /// The element (f32) of a value at a column (i64); heads are neighbouring columns.
  mlir::Value get(mlir::Value value, mlir::Value column);

private:
  mlir::Value compute(mlir::Value value, mlir::Value column);

  std::map<std::pair<const void *, const void *>, mlir::Value> known;
};

/// Gives the element of the result of `op` at a column.
using GpuElementEmitter = mlir::Value (*)(GpuElements &row, mlir::Operation *op,
                                          mlir::Value column);

struct GpuElementEmitterRegistration {
  GpuElementEmitterRegistration(llvm::StringRef opName, GpuElementEmitter emitter);
};

/// The emitter for ops of that name, or null.
GpuElementEmitter findGpuElementEmitter(llvm::StringRef opName);

/// Elements of the heads that a value of rank 3 has.
int64_t headColumns(mlir::Value value);

/// Writes the key and the value of a row at a column into the cache.
void emitGpuCacheWrite(GpuElements &row, ir::KVAppendOp append, mlir::Value column);

/// The nearest number that f16 has a finite neighbour of; NaN stays.
mlir::Value emitWithinF16(GpuBuilder &k, mlir::Value x);

/// Elements of a cache in kernels for GPUs: f32, f16 or bf16.
bool isGpuCacheElement(mlir::Type element);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUELEMENTS_H
