//===- TileEmitter.h - Register tiles of a contraction ----------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H
#define LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H

#include "compiler/target/cpu/PhaseContext.h"
#include "compiler/target/cpu/WeightFormat.h"

namespace lathe::compiler {

/// A tile: `rowTile` rows of activations times one panel of 32 outputs.
struct TileSpec {
  ir::LinearOp linear;
  Rows input;               ///< All rows of the contraction's input.
  mlir::Value firstRow;     ///< i64.
  int64_t rowTile;
  mlir::Value panel;        ///< Pointer to the packed panel.
  bool prefetch;            ///< Fetch the panel behind this one.
  mlir::Value destination;  ///< f32 [rowTile][columns] in private memory.
  int64_t rowBytes;         ///< From one row of the destination to the next.
};

/// Bytes of one packed panel of the contraction's weight.
int64_t panelBytes(ir::LinearOp linear, const WeightFormat &format);

/// Emits the tile.  The sum for each output runs over k in ascending order,
/// block by block, whatever the size of the tile.
void emitTile(PhaseContext &context, const TileSpec &spec);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H
