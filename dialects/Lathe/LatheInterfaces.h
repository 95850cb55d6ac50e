//===- LatheInterfaces.h - What passes may ask an op ------------*- C++ -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHEINTERFACES_H
#define LATHE_DIALECTS_LATHE_LATHEINTERFACES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace lathe::ir {

/// The part an op can play in a fusion group.
enum class FusionRole {
  RowWise,     ///< Each result row needs one whole operand row: norms, quantisation, embedding.
  Contraction, ///< A matrix product; the heart of a group.
  Elementwise, ///< Each result element needs the operands' elements of the same head or column.
  View,        ///< Another shape for the same elements.
  Attention,   ///< Reads other rows: of the KV cache, or of the step; a group of its own.
  None,        ///< Never fused.
};

struct Cost {
  int64_t Operations = 0;  ///< Multiplications and additions.
  int64_t WeightBytes = 0; ///< Bytes of weights that must be read.
};

/// The tensors that stand for the values of a program in its reference form.
/// A tensor value maps to one f32 tensor; rows map to three i32 tensors [rows]
/// (token, position, sequence), one [logits rows] (row of each logits row), one
/// [layers] (0 for a layer that is left out), one f32 tensor [layers] (the confidence
/// at which the stack is left behind the layer), and one of i32 [layers] (the neurons
/// that the layer computes);
/// a KV cache maps to two f32 tensors [layers, sequences, capacity, heads, dim].
class ReferenceValues {
public:
  void map(mlir::Value value, mlir::ValueRange tensors);
  mlir::Value tensor(mlir::Value value) const;
  llvm::ArrayRef<mlir::Value> all(mlir::Value value) const;

  /// The f32 tensor of a `lathe.weights` symbol: as declared, or with the
  /// declared layers as a leading dimension.
  void mapWeights(llvm::StringRef symbol, mlir::Value tensor);
  mlir::Value weights(llvm::StringRef symbol) const;

private:
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value, 4>> tensors;
  llvm::StringMap<mlir::Value> symbols;
};

/// What LayerLoopOpInterface promises of count, select, rest, skip, behind, regions and types.
llvm::LogicalResult verifyLayerLoop(mlir::Operation *op);

/// The attributes of a loop over layers; null where it has none of a kind.
struct LayerChoice {
  mlir::DenseI64ArrayAttr select, rest, skip;
  mlir::StringAttr behind;

  LayerChoice() = default;
  explicit LayerChoice(mlir::Operation *loop);

  /// Puts them among the properties of a loop.
  template <typename Properties> void set(Properties &properties) const {
    properties.select = select;
    properties.rest = rest;
    properties.skip = skip;
    properties.behind = behind;
  }
};

/// `at %rows`, `select [...]`, `rest [...]`, `skip [...]` and `behind WORD`, which loops over
/// layers have in common.  `rows` stays empty where there are none.
mlir::ParseResult parseLayerChoice(mlir::OpAsmParser &parser, mlir::OperationState &result,
                                   std::optional<mlir::OpAsmParser::UnresolvedOperand> &rows);
/// The same, each with a blank behind it.
void printLayerChoice(mlir::OpAsmPrinter &printer, mlir::Operation *op);

} // namespace lathe::ir

#include "dialects/Lathe/LatheInterfaces.h.inc"

namespace lathe::ir {

/// The numbers that an index of layers can be: a constant, or the layers that
/// run the body whose argument it is. Empty when that is not known.
llvm::SmallVector<int64_t> getPossibleLayers(mlir::Value layer);

} // namespace lathe::ir

#endif // LATHE_DIALECTS_LATHE_LATHEINTERFACES_H
