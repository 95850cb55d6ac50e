//===- TileEmitter.h - Register tiles of a contraction ----------*- C++ -*-===//
//
// The innermost code of every contraction: rows of activations times one panel
// of 32 outputs, for all k.  Tiles are functions of the module, shared by all
// phases of all entries, so that the amount of code grows with the formats and
// not with the phases.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H
#define LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H

#include "compiler/target/cpu/CoarseFormat.h"
#include "compiler/target/cpu/CpuTarget.h"
#include "compiler/target/cpu/PhaseContext.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lathe::compiler {

/// Groups of 16 outputs in a panel.
inline constexpr int64_t PanelGroups = PanelRows / Lanes;

/// What the code of a tile depends on.
struct TileKind {
  const WeightFormat *format;
  llvm::StringRef formatName;
  mlir::Type input; ///< f32, bf16, !lathe.q8_act, !lathe.q16_act or !lathe.u8_act.
  int64_t rows;     ///< Computed, and 0 for any number of them.
  int64_t rest;     ///< Elements of a last step that is not whole.
  bool coarse;      ///< By WeightFormat::coarse, which reads no tail; of many rows only.
  int64_t steps;    ///< Along k, where the places of rows depend on it; else 0.

  /// The kind of tile that computes products of rows like `input` and the matrix `weight`.
  static TileKind get(mlir::Value input, mlir::Value weight, int64_t rows, bool coarse);
  bool isInt8() const { return mlir::isa<ir::QuantizedActivationType>(input); }
  bool isInt16() const { return mlir::isa<ir::WideActivationType>(input); }
  bool isBytes() const { return mlir::isa<ir::ByteActivationType>(input); }
  std::string name() const;
};

/// The arguments of a tile function, in order.  Strides are in bytes.
struct TileArguments {
  mlir::Value panel, tail;         ///< The packed panel; its tail, where it has one.
  mlir::Value wholeSteps;          ///< i64: whole steps along k.
  mlir::Value rows;                ///< i64: rows to compute, at least 1.
  mlir::Value data, rowStride;     ///< First row of the input.
  mlir::Value blockStride;         ///< q8_act: from block to block of a row.
  mlir::Value scales;              ///< q8_act, q16_act, u8_act: 4 bytes a row.
  mlir::Value sums;                ///< q8_act: BlockSums::Bytes a row.
  mlir::Value scaledSums;          ///< q8_act: 4 bytes a row.
  mlir::Value scaleStride;         ///< q8_act, u8_act: from block to block of 4 bytes a row.
  mlir::Value destination, stride; ///< f32 [rows][columns].
  mlir::Value lows;                ///< u8_act: 4 bytes a row.

  static TileArguments get(mlir::ValueRange arguments);
  llvm::SmallVector<mlir::Value> list() const;
};

/// A block of a panel, with its step's header for each group.
struct PanelPlace {
  PanelBlock block; ///< Of no group, without a header.
  llvm::ArrayRef<llvm::SmallVector<mlir::Value>> headers;

  PanelBlock group(KernelBuilder &k, int64_t number) const {
    PanelBlock own = block;
    own.group = k.constant(number);
    own.header = headers[number];
    return own;
  }
};

/// Visits the groups of a block.  Where rows are whole in memory, bringing 16 of them
/// together takes so much code that it is a loop there.
void forGroups(KernelBuilder &k, const WeightFormat &format, const PanelPlace &place,
               llvm::function_ref<void(const PanelBlock &)> body);

/// Steps `first` to before `last` of a panel that has `all`, each i64.
struct StepRange {
  mlir::Value first, last, all;
  static StepRange whole(KernelBuilder &k, mlir::Value steps) {
    return {k.constant(0), steps, steps};
  }
};

/// Loops over the blocks of some steps of a panel, asking for weights
/// `target.prefetchBytes` ahead: panels follow each other in memory, and the hardware's
/// own prefetching ends with every page.  Where rows are whole in memory, a step reads of
/// all parts of a panel, and what is asked for is the next panel, without its tail where `panel`
/// has none.  `body` gets a block, its number in the panel and the carried values.
/// A pass over all steps, of several, is one of the panel's groups: it asks for its share, and
/// the only header is that of the group.
struct PanelPass {
  mlir::Value number = {}; ///< i64, the group; null: it is the only pass.
  int64_t count = 1;
};
using PanelBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(const PanelPlace &, mlir::Value,
                                                                    mlir::ValueRange)>;
llvm::SmallVector<mlir::Value> forPanelSteps(KernelBuilder &k, const CpuTarget &target,
                                             const WeightFormat &format, const PanelPointers &panel,
                                             const StepRange &steps, mlir::ValueRange inits,
                                             PanelBody body, PanelPass pass = {});

/// Builds the body of a tile function of that kind: a number of rows, with all of
/// their sums in registers, or any number of rows.
void emitFloatTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                   const TileArguments &arguments);
void emitInt8Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                  const TileArguments &arguments);
void emitInt16Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                   const TileArguments &arguments);
void emitByteTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                  const TileArguments &arguments);

/// Where one tile reads and writes.
struct TileOperands {
  PanelPointers panel;     ///< The packed panel.
  mlir::Value firstRow;    ///< i64.
  mlir::Value rows;        ///< i64: how many.
  bool manyRows;           ///< Whether the input has room for more than one row.
  int64_t mostRows = 0;    ///< Rows that there is room for from the first on; 0: not known.
  Rows input;              ///< All rows of the contraction's input.
  mlir::Value destination; ///< f32 [rows][columns].
  int64_t destinationRowBytes;
  bool coarse = false;     ///< TileKind::coarse
  mlir::Value inputs = {}; ///< i64: the k that count, whole steps of the format; null: all.
};

/// Rows that are few; the next smaller numbers with tiles of their own are halves of it.
inline constexpr int64_t MostFewRows = 8;

/// The code for the format of a matrix, which was looked for before emission.
const WeightFormat &formatOf(mlir::Value weight);

/// Steps of the K loop of products with a matrix.
int64_t panelSteps(mlir::Value weight);

/// Where panel `number` (i64) of a matrix is, whose packed bytes begin at `matrix`.
PanelPointers emitPanelPointers(KernelBuilder &k, mlir::Value matrix, mlir::RankedTensorType type,
                                mlir::Value number);

/// Calls the tile function for rows like `input` times a panel of `weight`, which is made
/// on first use.  The sum for each output runs over k in ascending order, block by block,
/// whatever the number of rows.
void emitTileCall(PhaseContext &context, mlir::Value input, mlir::Value weight,
                  const TileOperands &operands);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_TILEEMITTER_H
