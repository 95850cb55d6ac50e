//===- LatheReference.cpp - What the row-wise ops and contractions mean ----===//
//
// Naive on purpose: each function is the formula of the op's description.
//
//===----------------------------------------------------------------------===//

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Lathe/ReferenceBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace lathe::ir;

static LogicalResult
buildElementwise(Operation *op, OpBuilder &builder, ReferenceValues &values,
                 function_ref<Value(ReferenceBuilder &, ArrayRef<Value>)> scalar) {
  ReferenceBuilder b(op->getLoc(), builder);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(values.tensor(operand));
  Value result = b.generate(b.sizes(operands.front()), [&](ValueRange indices) {
    SmallVector<Value> elements;
    for (Value operand : operands)
      elements.push_back(b.at(operand, indices));
    return scalar(b, elements);
  });
  b.define(values, op->getResult(0), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// The place of layer `layer` among the declared layers of `weights`.
static Value buildOrdinal(ReferenceBuilder &b, WeightsOp weights, Value layer) {
  SmallVector<int64_t> table;
  for (int64_t i = 0, end = weights.getLayers()->back(); i <= end; ++i)
    table.push_back(std::max<int64_t>(weights.getOrdinal(i), 0));
  auto type = RankedTensorType::get(table.size(), b.getI64Type());
  Value tensor = b.make<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef<int64_t>(table)));
  return b.indexAt(tensor, layer);
}

LogicalResult WeightOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  auto weights = SymbolTable::lookupNearestSymbolFrom<WeightsOp>(*this, getWeightsAttr());
  Value stack = values.weights(getWeights());
  if (!getLayer()) {
    b.define(values, getResult(), stack);
    return success();
  }
  ArrayRef<int64_t> shape = weights.getTensorType().getShape();
  SmallVector<OpFoldResult> offsets(shape.size() + 1, b.getIndexAttr(0));
  SmallVector<OpFoldResult> sizes(shape.size() + 1, b.getIndexAttr(1));
  SmallVector<OpFoldResult> strides = sizes;
  offsets.front() = buildOrdinal(b, weights, values.tensor(getLayer()));
  for (auto [index, size] : llvm::enumerate(shape))
    sizes[index + 1] = b.getIndexAttr(size);
  auto type = RankedTensorType::get(shape, b.getF32Type());
  Value one = b.make<tensor::ExtractSliceOp>(type, stack, offsets, sizes, strides);
  b.define(values, getResult(), one);
  return success();
}

//===----------------------------------------------------------------------===//
// Rows in and out
//===----------------------------------------------------------------------===//

LogicalResult EmbedOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value token = RowsTensors(values, getRows()).token, table = values.tensor(getTable());
  Value result = b.generate(b.rowSizes(token, dimOf(getTable(), 1)), [&](ValueRange at) {
    Value element = b.at(table, {b.indexAt(token, at[0]), at[1]});
    return b.multiply(b.real(getScale().convertToFloat()), element);
  });
  b.define(values, getResult(), result);
  return success();
}

LogicalResult SelectLogitsOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value kept = RowsTensors(values, getRows()).logitsRow, input = values.tensor(getInput());
  Value result = b.generate({b.size(kept, 0), b.size(input, 1)}, [&](ValueRange at) {
    return b.at(input, {b.indexAt(kept, at[0]), at[1]});
  });
  b.define(values, getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Row-wise ops
//===----------------------------------------------------------------------===//

LogicalResult RMSNormOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), weight = values.tensor(getWeight());
  SmallVector<OpFoldResult> sizes = b.sizes(input);
  Value width = b.sizeValue(input, sizes.size() - 1);
  Value meanSquare = b.generate(ArrayRef(sizes).drop_back(), [&](ValueRange leading) {
    Value squares = b.sum(b.index(0), width, [&](Value i) {
      SmallVector<Value> indices(leading);
      indices.push_back(i);
      Value x = b.at(input, indices);
      return b.multiply(x, x);
    });
    return b.divide(squares, b.toReal(width));
  });
  Value result = b.generate(sizes, [&](ValueRange at) {
    Value shifted = b.add(b.at(meanSquare, at.drop_back()), b.real(getEps().convertToFloat()));
    Value normal = b.divide(b.at(input, at), b.make<math::SqrtOp>(shifted));
    return b.multiply(normal, b.at(weight, at.back()));
  });
  b.define(values, getResult(), result);
  return success();
}

/// Rounds to a multiple of the unit of the element's block, whose greatest element is
/// `limit` times that.
static Value buildQuantized(ReferenceBuilder &b, Value input, int64_t width, int64_t block,
                            float limit) {
  Value greatest = b.generate(b.rowSizes(input, width / block), [&](ValueRange at) {
    Value first = b.make<arith::MulIOp>(at[1], b.index(block));
    Value last = b.make<arith::AddIOp>(first, b.index(block));
    return b.maximum(first, last, [&](Value column) {
      return b.make<math::AbsFOp>(b.at(input, {at[0], column}));
    });
  });
  return b.generate(b.sizes(input), [&](ValueRange at) {
    Value top = b.at(greatest, {at[0], b.make<arith::DivUIOp>(at[1], b.index(block))});
    Value most = b.real(limit);
    return b.roundToMultiple(b.divide(top, most), b.divide(most, top), b.at(input, at));
  });
}

/// Rounds what is above the least element of a row to a multiple of the scale of the element's
/// block.
static Value buildBytes(ReferenceBuilder &b, Value input, int64_t width) {
  constexpr int64_t together = ByteActivationType::Together;
  Value lows = b.generate(b.rowSizes(input, {}), [&](ValueRange at) {
    Value most = b.maximum(b.index(0), b.index(width), [&](Value column) {
      return b.make<arith::NegFOp>(b.at(input, {at[0], column}));
    });
    return b.make<arith::NegFOp>(most);
  });
  int64_t blocks = ByteActivationType::countScales(width);
  Value above = b.generate(b.rowSizes(input, blocks), [&](ValueRange at) {
    Value first = b.make<arith::MulIOp>(at[1], b.index(together));
    Value last = b.make<arith::AddIOp>(first, b.index(together));
    last = b.make<arith::MinUIOp>(last, b.index(width));
    Value top = b.maximum(first, last, [&](Value column) { return b.at(input, {at[0], column}); });
    return b.subtract(top, b.at(lows, at[0]));
  });
  return b.generate(b.sizes(input), [&](ValueRange at) {
    Value greatest = b.at(above, {at[0], b.make<arith::DivUIOp>(at[1], b.index(together))});
    Value low = b.at(lows, at[0]), most = b.real(ByteActivationType::Limit);
    Value own = b.subtract(b.at(input, at), low);
    return b.add(low, b.roundToMultiple(b.divide(greatest, most), b.divide(most, greatest), own));
  });
}

LogicalResult QuantizeOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  Type type = cast<RankedTensorType>(getType()).getElementType();
  if (type.isBF16())
    return buildElementwise(*this, builder, values, [&](ReferenceBuilder &b, ArrayRef<Value> x) {
      return b.roundTo(type, x[0]);
    });
  ReferenceBuilder b(getLoc(), builder);
  int64_t width = dimOf(getInput(), 1);
  if (isa<ByteActivationType>(type)) {
    b.define(values, getResult(), buildBytes(b, values.tensor(getInput()), width));
    return success();
  }
  bool wide = isa<WideActivationType>(type);
  float limit = wide ? static_cast<float>(WideActivationType::Limit) : 127.0f;
  Value input = values.tensor(getInput());
  b.define(values, getResult(), buildQuantized(b, input, width, wide ? width : 32, limit));
  return success();
}

LogicalResult RopeTableOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value position = RowsTensors(values, getRows()).position;
  SmallVector<float> numbers = getFrequencies();
  auto type = RankedTensorType::get(numbers.size(), b.getF32Type());
  Value frequencies =
      b.make<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef<float>(numbers)));
  SmallVector<OpFoldResult> sizes = b.rowSizes(position, {dimOf(getResult(), 1), 2});
  Value result = b.generate(sizes, [&](ValueRange at) {
    Value place = b.make<arith::SIToFPOp>(b.getF32Type(), b.at(position, at[0]));
    Value angle = b.multiply(place, b.at(frequencies, at[1]));
    Value first = b.make<arith::CmpIOp>(arith::CmpIPredicate::eq, at[2], b.index(0));
    return b.make<arith::SelectOp>(first, b.make<math::CosOp>(angle), b.make<math::SinOp>(angle));
  });
  b.define(values, getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Contraction
//===----------------------------------------------------------------------===//

template <typename ProductOp>
static LogicalResult buildProduct(ProductOp op, OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(op.getLoc(), builder);
  Value input = values.tensor(op.getInput()), weight = values.tensor(op.getWeight());
  SmallVector<OpFoldResult> sizes{b.size(input, 0), b.size(weight, 0)};
  Value empty = b.make<tensor::EmptyOp>(sizes, b.getF32Type());
  Value zero = linalg::FillOp::create(b, b.real(0.0f), empty).getResult(0);
  AffineExpr r = b.getAffineDimExpr(0), n = b.getAffineDimExpr(1), k = b.getAffineDimExpr(2);
  auto map = [&](AffineExpr row, AffineExpr column) {
    return AffineMap::get(3, 0, {row, column}, b.getContext());
  };
  using utils::IteratorType;
  auto product = linalg::GenericOp::create(
      b, zero.getType(), ValueRange{input, weight}, zero, {map(r, k), map(n, k), map(r, n)},
      {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
      [](OpBuilder &nested, Location loc, ValueRange elements) {
        ReferenceBuilder body(loc, nested);
        Value term = body.multiply(elements[0], elements[1]);
        linalg::YieldOp::create(body, body.add(elements[2], term));
      });
  b.define(values, op.getResult(), product.getResult(0));
  return success();
}

LogicalResult LinearOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  if (!getTo() && !getOf())
    return buildProduct(*this, builder, values);
  ReferenceBuilder b(getLoc(), builder);
  auto width = [&](Value chosen) { return chosen ? values.tensor(chosen) : Value(); };
  b.define(values, getResult(),
           buildLimitedProduct(b, values.tensor(getInput()), values.tensor(getWeight()),
                               width(getTo()), width(getOf())));
  return success();
}
LogicalResult HeadTopkOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  return buildProduct(*this, builder, values);
}

//===----------------------------------------------------------------------===//
// Elementwise ops
//===----------------------------------------------------------------------===//

LogicalResult SiluOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  return buildElementwise(*this, builder, values, [](ReferenceBuilder &b, ArrayRef<Value> x) {
    Value power = b.make<math::ExpOp>(b.make<arith::NegFOp>(x[0]));
    return b.divide(x[0], b.add(b.real(1.0f), power));
  });
}

LogicalResult GeluTanhOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  return buildElementwise(*this, builder, values, [](ReferenceBuilder &b, ArrayRef<Value> x) {
    Value cube = b.multiply(b.multiply(x[0], x[0]), x[0]);
    Value inner = b.add(x[0], b.multiply(b.real(0.044715f), cube));
    Value tanh = b.make<math::TanhOp>(b.multiply(b.real(0.797884561f), inner));
    return b.multiply(b.multiply(b.real(0.5f), x[0]), b.add(b.real(1.0f), tanh));
  });
}

LogicalResult AddOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  return buildElementwise(*this, builder, values,
                          [](ReferenceBuilder &b, ArrayRef<Value> x) { return b.add(x[0], x[1]); });
}

LogicalResult MulOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  return buildElementwise(*this, builder, values, [](ReferenceBuilder &b, ArrayRef<Value> x) {
    return b.multiply(x[0], x[1]);
  });
}

LogicalResult BiasOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), bias = values.tensor(getBias());
  Value result = b.generate(
      b.sizes(input), [&](ValueRange at) { return b.add(b.at(input, at), b.at(bias, at[1])); });
  b.define(values, getResult(), result);
  return success();
}
