//===- LatheExperts.cpp - Mixtures of experts ------------------------------===//

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Lathe/OpVerifiers.h"
#include "dialects/Lathe/ReferenceBuilder.h"

#include <limits>

using namespace mlir;
using namespace lathe::ir;

//===----------------------------------------------------------------------===//
// Verifiers and costs
//===----------------------------------------------------------------------===//

LogicalResult RouteOp::verify() {
  int64_t experts = dimOf(getLogits(), 1), chosen = dimOf(getChoice(), 1);
  if (chosen > experts)
    return emitOpError() << "a row cannot have " << chosen << " of " << experts << " experts";
  return verifyEqual(*this, "number of shares", dimOf(getShare(), 1), chosen);
}

Cost RouteOp::getCost(int64_t rows) {
  return {rows * dimOf(getChoice(), 1) * rowElements(getLogits()), 0};
}

/// The matrices of all experts, outputs in whole panels.
static LogicalResult verifyExperts(ExpertLinearOp op) {
  constexpr int64_t panel = lathe::PanelRows;
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  if (weight.getRank() != 3 || !isBoundedShape(weight.getShape()))
    return op.emitOpError() << "weight must be [experts, outputs, inputs] of known size, got "
                            << weight;
  const lathe::BlockFormat *format = getBlockFormat(weight.getElementType());
  if (!format)
    return op.emitOpError() << "weight has element type " << weight.getElementType()
                            << ", which is no registered weight format";
  if (op.getInputs() % format->BlockElements != 0)
    return op.emitOpError() << "rows of the weight must be a multiple of the block of "
                            << format->BlockElements << " elements, got " << op.getInputs();
  if (op.getOutputs() % panel != 0)
    return op.emitOpError() << "outputs of an expert must be a multiple of " << panel << ", got "
                            << op.getOutputs();
  auto route = op.getChoice().getDefiningOp<RouteOp>();
  return route ? verifyEqual(op, "number of experts", weight.getDimSize(0),
                             dimOf(route.getLogits(), 1))
               : success();
}

LogicalResult ExpertLinearOp::verify() {
  if (failed(verifyExperts(*this)))
    return failure();
  int64_t width = dimOf(getInput(), 1);
  if (!sharesInput() && width != getChosen() * getInputs())
    return emitOpError() << "width of the input must be " << getInputs() << " or "
                         << getChosen() * getInputs() << ", got " << width;
  Type input = cast<RankedTensorType>(getInput().getType()).getElementType();
  Type weight = cast<RankedTensorType>(getWeight().getType()).getElementType();
  if (isa<QuantizedActivationType>(input) && (!isa<BlockType>(weight) || getInputs() % 32 != 0))
    return emitOpError() << "an !lathe.q8_act input needs a block-quantised weight with rows of a "
                            "multiple of 32 elements, got "
                         << getInputs() << " of " << weight;
  return verifyEqual(*this, "width of the result", dimOf(getResult(), 1),
                     getChosen() * getOutputs());
}

/// As if the rows had as many different experts as they can.
Cost ExpertLinearOp::getCost(int64_t rows) {
  auto weight = cast<RankedTensorType>(getWeight().getType());
  int64_t experts = weight.getDimSize(0), one = weight.getNumElements() / experts;
  return {2 * rows * getChosen() * one,
          weightBytes(weight) / experts * std::min(experts, rows * getChosen())};
}

LogicalResult MixOp::verify() {
  return verifyEqual(*this, "width of the input", dimOf(getInput(), 1),
                     dimOf(getShare(), 1) * dimOf(getResult(), 1));
}

Cost MixOp::getCost(int64_t rows) { return {2 * rows * rowElements(getInput()), 0}; }

//===----------------------------------------------------------------------===//
// Meanings
//===----------------------------------------------------------------------===//

/// The logits, -infinity where they are no numbers.
static Value buildNumbers(ReferenceBuilder &b, Value logits) {
  return b.generate(b.sizes(logits), [&](ValueRange at) {
    Value least = b.real(-std::numeric_limits<float>::infinity());
    return b.make<arith::MaxNumFOp>(b.at(logits, at), least);
  });
}

/// How many of the row's logits come ahead of each.
static Value buildRanks(ReferenceBuilder &b, Value logits) {
  auto one = [&](Value condition) {
    return b.make<arith::SelectOp>(condition, b.real(1.0f), b.real(0.0f));
  };
  return b.generate(b.sizes(logits), [&](ValueRange at) {
    Value own = b.at(logits, at);
    return b.sum(b.index(0), b.sizeValue(logits, 1), [&](Value e) {
      Value other = b.at(logits, {at[0], e});
      Value ahead = b.make<arith::CmpFOp>(arith::CmpFPredicate::OGT, other, own);
      Value equal = b.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, other, own);
      Value before = b.make<arith::CmpIOp>(arith::CmpIPredicate::ult, e, at[1]);
      return one(b.make<arith::OrIOp>(ahead, b.make<arith::AndIOp>(equal, before)));
    });
  });
}

LogicalResult RouteOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value logits = buildNumbers(b, values.tensor(getLogits()));
  Value first = b.index(0), experts = b.sizeValue(logits, 1);
  int64_t chosen = dimOf(getChoice(), 1);
  Value ranks = buildRanks(b, logits);
  auto numberOf = [&](ValueRange at) {
    return b.sum(first, experts, [&](Value e) {
      Value found = b.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, b.at(ranks, {at[0], e}),
                                          b.toReal(at[1]));
      return b.make<arith::SelectOp>(found, b.toReal(e), b.real(0.0f));
    });
  };
  Value choice = b.generate(
      b.rowSizes(logits, chosen),
      [&](ValueRange at) { return b.make<arith::FPToSIOp>(b.getI32Type(), numberOf(at)); },
      b.getI32Type());
  auto logitOf = [&](Value row, Value j) {
    return b.at(logits, {row, b.indexAt(choice, {row, j})});
  };
  Value share = b.generate(b.rowSizes(logits, chosen), [&](ValueRange at) {
    Value top = logitOf(at[0], first);
    auto power = [&](Value j) { return b.make<math::ExpOp>(b.subtract(logitOf(at[0], j), top)); };
    return b.divide(power(at[1]), b.sum(first, b.index(chosen), power));
  });
  b.define(values, getChoice(), choice);
  b.define(values, getShare(), share);
  return success();
}

LogicalResult ExpertLinearOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), weight = values.tensor(getWeight());
  Value choice = values.tensor(getChoice());
  Value outputs = b.index(getOutputs()), inputs = b.index(getInputs());
  Value result = b.generate(b.rowSizes(input, dimOf(getResult(), 1)), [&](ValueRange at) {
    Value j = b.make<arith::DivUIOp>(at[1], outputs), i = b.make<arith::RemUIOp>(at[1], outputs);
    Value last = b.make<arith::SubIOp>(b.sizeValue(weight, 0), b.index(1));
    Value expert = b.make<arith::MinUIOp>(b.indexAt(choice, {at[0], j}), last);
    Value start = sharesInput() ? b.index(0) : b.make<arith::MulIOp>(j, inputs);
    return b.sum(b.index(0), inputs, [&](Value k) {
      Value x = b.at(input, {at[0], b.make<arith::AddIOp>(start, k)});
      return b.multiply(x, b.at(weight, {expert, i, k}));
    });
  });
  b.define(values, getResult(), result);
  return success();
}

LogicalResult MixOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), share = values.tensor(getShare());
  int64_t width = dimOf(getResult(), 1);
  Value result = b.generate(b.rowSizes(input, width), [&](ValueRange at) {
    return b.sum(b.index(0), b.sizeValue(share, 1), [&](Value j) {
      Value column = b.make<arith::AddIOp>(b.make<arith::MulIOp>(j, b.index(width)), at[1]);
      return b.multiply(b.at(share, {at[0], j}), b.at(input, {at[0], column}));
    });
  });
  b.define(values, getResult(), result);
  return success();
}
