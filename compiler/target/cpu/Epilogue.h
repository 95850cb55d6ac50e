//===- Epilogue.h - Elementwise ops on the tiles of a contraction *- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_EPILOGUE_H
#define LATHE_COMPILER_TARGET_CPU_EPILOGUE_H

#include "compiler/target/cpu/PhaseContext.h"
#include "compiler/target/cpu/Segments.h"

#include <map>

namespace lathe::compiler {

/// One row of one tile.  Values are asked for in chunks of `lanes` columns;
/// chunk 0 starts at the tile's first column.  Behind a contraction, its results
/// come from the tile and other ops are computed; elsewhere (`tiles` is empty)
/// every operand is a finished row in memory.
class EpilogueRow {
public:
  EpilogueRow(PhaseContext &context, const Segment &segment, mlir::Value row,
              mlir::Value firstColumn, llvm::ArrayRef<mlir::Value> tiles, int64_t rows)
      : c(context), segment(segment), row(row), firstColumn(firstColumn), rows(rows), tiles(tiles) {
  }

  PhaseContext &c;
  const Segment &segment;
  mlir::Value row;         ///< Index of the row, i64.
  mlir::Value firstColumn; ///< Of the tile, i64.
  int64_t rows;            ///< Rows that private memory is kept for.

  /// The chunk of a value, computed once.
  mlir::Value get(mlir::Value value, int64_t chunk);
  /// What `make` gives, made once for each key (a value or an op) and chunk.
  mlir::Value remember(const void *key, int64_t chunk, llvm::function_ref<mlir::Value()> make);
  /// Byte offset of a chunk in a row of f32.
  mlir::Value columnOffset(int64_t chunk);
  /// Stores what the segment ends in, for one chunk.
  void emitStores(int64_t chunk);

private:
  mlir::Value compute(mlir::Value value, int64_t chunk);

  llvm::ArrayRef<mlir::Value> tiles; ///< This row of each contraction's tile.
  std::map<std::pair<const void *, int64_t>, mlir::Value> known;
};

/// Gives one chunk of the result of `op`.
using ElementwiseEmitter = mlir::Value (*)(EpilogueRow &row, mlir::Operation *op, int64_t chunk);

struct ElementwiseEmitterRegistration {
  ElementwiseEmitterRegistration(llvm::StringRef opName, ElementwiseEmitter emitter);
};

/// The emitter for ops of that name, or null.
ElementwiseEmitter findElementwiseEmitter(llvm::StringRef opName);

/// Emits one row of an elementwise op in a phase without a contraction, into the
/// memory of its result.
void emitElementwiseRow(PhaseContext &context, mlir::Operation *op, mlir::Value row, int64_t rows);

/// Writes one chunk of keys and values into the cache.
void emitCacheWrite(EpilogueRow &row, ir::KVAppendOp append, int64_t chunk);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_EPILOGUE_H
