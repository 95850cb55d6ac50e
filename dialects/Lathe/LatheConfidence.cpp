//===- LatheConfidence.cpp - How sure a row is -----------------------------===//

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Lathe/OpVerifiers.h"
#include "dialects/Lathe/ReferenceBuilder.h"

#include <limits>

using namespace mlir;
using namespace lathe::ir;

//===----------------------------------------------------------------------===//
// Verifiers and costs
//===----------------------------------------------------------------------===//

LogicalResult LogisticOp::verify() {
  if (failed(verifyEqual(*this, "size of the weight", dimOf(getWeight(), 0), dimOf(getInput(), 1))))
    return failure();
  return verifyEqual(*this, "size of the bias", dimOf(getBias(), 0), 1);
}

Cost LogisticOp::getCost(int64_t rows) {
  return {2 * rows * rowElements(getInput()), 4 * dimOf(getWeight(), 0)};
}

LogicalResult MarginOp::verify() {
  if (dimOf(getInput(), 1) < 2)
    return emitOpError() << "rows must have two elements or more, got " << dimOf(getInput(), 1);
  return success();
}

Cost MarginOp::getCost(int64_t rows) { return {3 * rows * rowElements(getInput()), 0}; }

//===----------------------------------------------------------------------===//
// Meanings
//===----------------------------------------------------------------------===//

LogicalResult LogisticOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), weight = values.tensor(getWeight());
  Value bias = values.tensor(getBias()), width = b.sizeValue(input, 1);
  Value result = b.generate(b.rowSizes(input, 1), [&](ValueRange at) {
    Value product = b.sum(b.index(0), width, [&](Value k) {
      return b.multiply(b.at(input, {at[0], k}), b.at(weight, k));
    });
    Value odds = b.make<math::ExpOp>(b.subtract(b.real(0.0f), b.add(product, b.at(bias, at[1]))));
    return b.divide(b.real(1.0f), b.add(b.real(1.0f), odds));
  });
  b.define(values, getResult(), result);
  return success();
}

LogicalResult MarginOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), first = b.index(0), width = b.sizeValue(input, 1);
  Value result = b.generate(b.rowSizes(input, 1), [&](ValueRange at) {
    auto element = [&](Value k) { return b.at(input, {at[0], k}); };
    auto compare = [&](arith::CmpFPredicate predicate, Value x, Value y) {
      return b.make<arith::CmpFOp>(predicate, x, y);
    };
    Value top = b.maximum(first, width, element);
    Value next = b.maximum(first, width, [&](Value k) {
      Value x = element(k), least = b.real(-std::numeric_limits<float>::infinity());
      return b.make<arith::SelectOp>(compare(arith::CmpFPredicate::OLT, x, top), x, least);
    });
    Value tops = b.sum(first, width, [&](Value k) {
      Value isTop = compare(arith::CmpFPredicate::OEQ, element(k), top);
      return b.make<arith::SelectOp>(isTop, b.real(1.0f), b.real(0.0f));
    });
    Value several = compare(arith::CmpFPredicate::OGT, tops, b.real(1.0f));
    return b.make<arith::SelectOp>(several, b.real(0.0f), b.subtract(top, next));
  });
  b.define(values, getResult(), result);
  return success();
}
