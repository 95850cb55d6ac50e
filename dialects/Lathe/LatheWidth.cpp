//===- LatheWidth.cpp - Widths of MLPs -------------------------------------===//

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Lathe/OpVerifiers.h"
#include "dialects/Lathe/ReferenceBuilder.h"

#include "mlir/IR/PatternMatch.h"

#include <limits>

using namespace mlir;
using namespace lathe::ir;

LogicalResult WidthOp::verify() {
  // The accessors of 64-bit attributes are unsigned.
  auto neurons = static_cast<int64_t>(getNeurons()), step = static_cast<int64_t>(getStep());
  auto unasked = static_cast<int64_t>(getUnasked().value_or(neurons));
  if (step < 1 || step % lathe::PanelRows != 0)
    return emitOpError() << "step must be a multiple of the " << lathe::PanelRows
                         << " outputs that are packed together, got " << step;
  if (neurons < 1 || neurons > std::numeric_limits<int32_t>::max() || neurons % step != 0)
    return emitOpError() << "neurons must be a multiple of the step of " << step
                         << " below 2^31, got " << neurons;
  if (unasked < 1 || unasked > neurons || unasked % step != 0)
    return emitOpError() << "unasked must be a multiple of the step of " << step << " up to "
                         << neurons << ", got " << unasked;
  return success();
}

LayerWidth lathe::ir::getLayerWidth(WidthOp op) {
  auto neurons = static_cast<int64_t>(op.getNeurons());
  return {neurons, static_cast<int64_t>(op.getStep()),
          static_cast<int64_t>(op.getUnasked().value_or(neurons))};
}

SmallVector<LayerWidth> lathe::ir::findLayerWidths(Operation *root, int64_t layers) {
  SmallVector<LayerWidth> widths(layers);
  root->walk([&](WidthOp op) {
    for (int64_t layer : getPossibleLayers(op.getLayer()))
      if (layer < layers)
        widths[layer] = getLayerWidth(op);
  });
  return widths;
}

/// That a dimension of the weight is what the width is one of.
static LogicalResult verifyWidth(LinearOp op, StringRef what, Value width, int64_t size) {
  if (!width)
    return success();
  auto chosen = width.getDefiningOp<WidthOp>();
  if (!chosen)
    return op.emitOpError() << "the width of its " << what << " must come from lathe.width";
  return verifyEqual(op, ("number of " + what + " that have a width").str(), size,
                     chosen.getNeurons());
}

LogicalResult lathe::ir::verifyWidths(LinearOp op) {
  if (!op.getTo() && !op.getOf())
    return success();
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  if (failed(verifyWidth(op, "outputs", op.getTo(), weight.getDimSize(0))) ||
      failed(verifyWidth(op, "inputs", op.getOf(), weight.getDimSize(1))))
    return failure();
  const lathe::BlockFormat *format = getBlockFormat(weight.getElementType());
  if (!op.getOf() || op.getOf().getDefiningOp<WidthOp>().getStep() % format->BlockElements == 0)
    return success();
  return op.emitOpError() << "the width of its inputs must be whole blocks of "
                          << format->BlockElements << " elements, got steps of "
                          << op.getOf().getDefiningOp<WidthOp>().getStep();
}

/// One width alone, which is all of it, limits nothing.
LogicalResult LinearOp::canonicalize(LinearOp op, PatternRewriter &rewriter) {
  auto drop = [&](MutableOperandRange width) {
    if (width.empty())
      return false;
    auto chosen = Value(width.getAsOperandRange().front()).getDefiningOp<WidthOp>();
    if (!chosen || chosen.getNeurons() != chosen.getStep())
      return false;
    rewriter.modifyOpInPlace(op, [&] { width.clear(); });
    return true;
  };
  bool outputs = drop(op.getToMutable()), inputs = drop(op.getOfMutable());
  return success(outputs || inputs);
}

LogicalResult WidthOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value widths = RowsTensors(values, getRows()).widths;
  values.map(getResult(), b.indexAt(widths, {values.tensor(getLayer())}));
  return success();
}

/// A product within widths, each of which may be null: all of it.
Value lathe::ir::buildLimitedProduct(ReferenceBuilder &b, Value input, Value weight, Value to,
                                     Value of) {
  Value inputs = of ? of : b.sizeValue(weight, 1);
  return b.generate({b.size(input, 0), b.size(weight, 0)}, [&](ValueRange at) {
    Value sum = b.sum(b.index(0), inputs, [&](Value k) {
      return b.multiply(b.at(input, {at[0], k}), b.at(weight, {at[1], k}));
    });
    if (!to)
      return sum;
    Value computed = b.make<arith::CmpIOp>(arith::CmpIPredicate::ult, at[1], to);
    return b.make<arith::SelectOp>(computed, sum, b.real(0.0f));
  });
}
