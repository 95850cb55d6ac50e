//===- ReferenceBuilder.cpp - Words for naive tensor programs --------------===//

#include "dialects/Lathe/ReferenceBuilder.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include <limits>

using namespace mlir;
using namespace lathe::ir;

Value ReferenceBuilder::index(int64_t value) { return make<arith::ConstantIndexOp>(value); }

Value ReferenceBuilder::real(float value) {
  return make<arith::ConstantOp>(getF32FloatAttr(value));
}

Value ReferenceBuilder::toReal(Value index) {
  return make<arith::SIToFPOp>(getF32Type(), make<arith::IndexCastOp>(getI64Type(), index));
}

Value ReferenceBuilder::at(Value tensor, ValueRange indices) {
  return make<tensor::ExtractOp>(tensor, indices);
}

Value ReferenceBuilder::indexAt(Value tensor, ValueRange indices) {
  return make<arith::IndexCastOp>(getIndexType(), at(tensor, indices));
}

OpFoldResult ReferenceBuilder::size(Value tensor, unsigned dim) {
  return tensor::getMixedSize(*this, getLoc(), tensor, dim);
}

Value ReferenceBuilder::sizeValue(Value tensor, unsigned dim) {
  return getValueOrCreateConstantIndexOp(*this, getLoc(), size(tensor, dim));
}

SmallVector<OpFoldResult> ReferenceBuilder::sizes(Value tensor) {
  return tensor::getMixedSizes(*this, getLoc(), tensor);
}

SmallVector<OpFoldResult> ReferenceBuilder::rowSizes(Value rows, ArrayRef<int64_t> others) {
  SmallVector<OpFoldResult> all{size(rows, 0)};
  for (int64_t other : others)
    all.push_back(getIndexAttr(other));
  return all;
}

Value ReferenceBuilder::generate(ArrayRef<OpFoldResult> sizes, Element element, Type type) {
  Value empty = make<tensor::EmptyOp>(sizes, type ? type : Type(getF32Type()));
  unsigned rank = sizes.size();
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto body = [&](OpBuilder &nested, Location, ValueRange) {
    InsertionGuard guard(*this);
    restoreInsertionPoint(nested.saveInsertionPoint());
    SmallVector<Value> indices;
    for (unsigned dim = 0; dim < rank; ++dim)
      indices.push_back(make<linalg::IndexOp>(dim));
    linalg::YieldOp::create(*this, element(indices));
  };
  return linalg::GenericOp::create(*this, empty.getType(), ValueRange(), empty,
                                   getMultiDimIdentityMap(rank), iterators, body)
      .getResult(0);
}

Value ReferenceBuilder::accumulate(Value first, Value last, Value start, Term term,
                                   function_ref<Value(Value, Value)> combine) {
  auto body = [&](OpBuilder &nested, Location, Value index, ValueRange carried) {
    InsertionGuard guard(*this);
    restoreInsertionPoint(nested.saveInsertionPoint());
    scf::YieldOp::create(*this, combine(carried.front(), term(index)));
  };
  return scf::ForOp::create(*this, first, last, index(1), start, body).getResult(0);
}

Value ReferenceBuilder::sum(Value first, Value last, Term term) {
  auto combine = [&](Value total, Value next) { return add(total, next); };
  return accumulate(first, last, real(0.0f), term, combine);
}

Value ReferenceBuilder::maximum(Value first, Value last, Term term) {
  auto combine = [&](Value top, Value next) { return make<arith::MaximumFOp>(top, next); };
  return accumulate(first, last, real(-std::numeric_limits<float>::infinity()), term, combine);
}

Value ReferenceBuilder::roundTo(Type type, Value value) {
  return make<arith::ExtFOp>(getF32Type(), make<arith::TruncFOp>(type, value));
}

Value ReferenceBuilder::roundToMultiple(Value unit, Value inverse, Value value) {
  Value zero = real(0.0f);
  Value empty = make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, unit, zero);
  Value count = make<math::RoundEvenOp>(multiply(value, inverse));
  return make<arith::SelectOp>(empty, zero, multiply(count, unit));
}

void ReferenceBuilder::define(ReferenceValues &values, Value result, Value tensor) {
  auto declared = cast<RankedTensorType>(result.getType());
  Type element = declared.getElementType();
  auto type = RankedTensorType::get(declared.getShape(),
                                    isa<IntegerType>(element) ? element : Type(getF32Type()));
  if (tensor.getType() != type)
    tensor = make<tensor::CastOp>(type, tensor);
  values.map(result, tensor);
}

RowsTensors::RowsTensors(const ReferenceValues &values, Value rows) {
  ArrayRef<Value> all = values.all(rows);
  token = all[0];
  position = all[1];
  sequence = all[2];
  logitsRow = all[3];
  widths = all[6];
}

CacheTensors::CacheTensors(const ReferenceValues &values, Value cache)
    : keys(values.all(cache)[0]), values(values.all(cache)[1]) {}
