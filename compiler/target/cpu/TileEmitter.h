//===- TileEmitter.h - Register tiles of a contraction ----------*- C++ -*-===//
//
// The innermost code of every contraction: a few rows of activations times one
// panel of 32 outputs, for all k.  Tiles are functions of the module, shared by
// all phases of all entries, so that the amount of code grows with the formats
// and not with the phases.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H
#define LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H

#include "compiler/target/cpu/CpuTarget.h"
#include "compiler/target/cpu/PhaseContext.h"
#include "compiler/target/cpu/WeightFormat.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lathe::compiler {

/// What the code of a tile depends on.
struct TileKind {
  const WeightFormat *format;
  llvm::StringRef formatName;
  mlir::Type input; ///< f32, bf16 or !lathe.q8_act.
  int64_t rowTile;  ///< Rows of activations.
  int64_t rest;     ///< Elements of a last step that is not whole.

  /// The kind of tile that computes `linear`.
  static TileKind get(ir::LinearOp linear, int64_t rowTile);
  std::string name() const;
};

/// Where one tile reads and writes.
struct TileOperands {
  mlir::Value panel;       ///< The packed panel.
  mlir::Value firstRow;    ///< i64.
  Rows input;              ///< All rows of the contraction's input.
  mlir::Value destination; ///< f32 [rowTile][columns].
  int64_t destinationRowBytes;
};

/// Steps of the K loop of `linear`, and bytes of one panel of its weight.
int64_t panelSteps(ir::LinearOp linear);
int64_t panelBytes(ir::LinearOp linear);

/// Calls the tile function for `linear`, which is made on first use.  The sum
/// for each output runs over k in ascending order, block by block, whatever the
/// size of the tile.
void emitTileCall(PhaseContext &context, ir::LinearOp linear, int64_t rowTile,
                  const TileOperands &operands);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H
