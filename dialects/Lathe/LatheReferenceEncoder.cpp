//===- LatheReferenceEncoder.cpp - What the ops of encoders mean -----------===//

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Lathe/ReferenceBuilder.h"

using namespace mlir;
using namespace lathe::ir;

//===----------------------------------------------------------------------===//
// Embeddings
//===----------------------------------------------------------------------===//

LogicalResult EmbedPositionOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value position = RowsTensors(values, getRows()).position, table = values.tensor(getTable());
  Value result = b.generate(b.rowSizes(position, dimOf(getTable(), 1)), [&](ValueRange at) {
    return b.at(table, {b.indexAt(position, at[0]), at[1]});
  });
  b.define(values, getResult(), result);
  return success();
}

LogicalResult EmbedSegmentOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value token = RowsTensors(values, getRows()).token, table = values.tensor(getTable());
  Value result = b.generate(b.rowSizes(token, dimOf(getTable(), 1)),
                            [&](ValueRange at) { return b.at(table, {b.index(0), at[1]}); });
  b.define(values, getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

LogicalResult LayerNormOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), weight = values.tensor(getWeight()),
        bias = values.tensor(getBias());
  SmallVector<OpFoldResult> sizes = b.sizes(input);
  Value width = b.sizeValue(input, 1);
  auto meanOf = [&](function_ref<Value(Value row, Value column)> term) {
    return b.generate(sizes.front(), [&](ValueRange at) {
      Value total = b.sum(b.index(0), width, [&](Value i) { return term(at[0], i); });
      return b.divide(total, b.toReal(width));
    });
  };
  Value mean = meanOf([&](Value row, Value column) { return b.at(input, {row, column}); });
  auto centred = [&](Value row, Value column) {
    return b.subtract(b.at(input, {row, column}), b.at(mean, row));
  };
  Value variance = meanOf([&](Value row, Value column) {
    Value x = centred(row, column);
    return b.multiply(x, x);
  });
  Value result = b.generate(sizes, [&](ValueRange at) {
    Value shifted = b.add(b.at(variance, at[0]), b.real(getEps().convertToFloat()));
    Value normal = b.divide(centred(at[0], at[1]), b.make<math::SqrtOp>(shifted));
    return b.add(b.multiply(normal, b.at(weight, at[1])), b.at(bias, at[1]));
  });
  b.define(values, getResult(), result);
  return success();
}

LogicalResult GeluOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput());
  Value result = b.generate(b.sizes(input), [&](ValueRange at) {
    Value x = b.at(input, at);
    Value erf = b.make<math::ErfOp>(b.multiply(x, b.real(0.707106781f)));
    return b.multiply(b.multiply(b.real(0.5f), x), b.add(b.real(1.0f), erf));
  });
  b.define(values, getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Texts
//===----------------------------------------------------------------------===//

/// The first row of the text that `row` is of.
static Value firstRow(ReferenceBuilder &b, const RowsTensors &rows, Value row) {
  return b.make<arith::SubIOp>(row, b.indexAt(rows.position, row));
}

LogicalResult PoolOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  RowsTensors rows(values, getRows());
  Value input = values.tensor(getInput());
  Value result = b.generate({b.size(rows.logitsRow, 0), b.size(input, 1)}, [&](ValueRange at) {
    Value wanted = b.indexAt(rows.logitsRow, at[0]), first = firstRow(b, rows, wanted);
    Value end = b.make<arith::AddIOp>(wanted, b.index(1));
    Value total = b.sum(first, end, [&](Value row) { return b.at(input, {row, at[1]}); });
    return b.divide(total, b.toReal(b.make<arith::SubIOp>(end, first)));
  });
  b.define(values, getResult(), result);
  return success();
}

namespace {
/// Builds softmax(scale * q k) v over the rows of the same text: a row of another
/// one has the score minus infinity.
class SelfAttentionBuilder {
public:
  SelfAttentionBuilder(ReferenceBuilder &b, SelfAttentionOp op, const ReferenceValues &values)
      : b(b), rows(values, op.getRows()), query(values.tensor(op.getQuery())),
        key(values.tensor(op.getKey())), value(values.tensor(op.getValue())),
        scale(op.getScale().convertToFloat()), heads(op.getHeads()),
        dim(dimOf(op.getQuery(), 1) / heads) {}

  Value build() {
    SmallVector<OpFoldResult> sizes = b.rowSizes(query, heads);
    sizes.push_back(b.size(query, 0));
    Value all = b.sizeValue(query, 0);
    Value scores = b.generate(sizes, [&](ValueRange at) { return score(at); });
    auto each = [&](Value tensor, ValueRange at) {
      return [&b = b, tensor, at](Value s) { return b.at(tensor, {at[0], at[1], s}); };
    };
    ArrayRef<OpFoldResult> leading = ArrayRef(sizes).drop_back();
    Value top = b.generate(
        leading, [&](ValueRange at) { return b.maximum(b.index(0), all, each(scores, at)); });
    Value powers = b.generate(sizes, [&](ValueRange at) {
      return b.make<math::ExpOp>(b.subtract(b.at(scores, at), b.at(top, at.drop_back())));
    });
    Value totals = b.generate(
        leading, [&](ValueRange at) { return b.sum(b.index(0), all, each(powers, at)); });
    return b.generate(b.sizes(query), [&](ValueRange at) {
      Value head = b.make<arith::DivUIOp>(at[1], b.index(dim));
      Value mixed = b.sum(b.index(0), all, [&](Value s) {
        return b.multiply(b.at(powers, {at[0], head, s}), b.at(value, {s, at[1]}));
      });
      return b.divide(mixed, b.at(totals, {at[0], head}));
    });
  }

private:
  Value score(ValueRange at) {
    Value start = b.make<arith::MulIOp>(at[1], b.index(dim));
    Value dot = b.sum(b.index(0), b.index(dim), [&](Value i) {
      Value column = b.make<arith::AddIOp>(start, i);
      return b.multiply(b.at(query, {at[0], column}), b.at(key, {at[2], column}));
    });
    Value same = b.make<arith::CmpIOp>(arith::CmpIPredicate::eq, firstRow(b, rows, at[0]),
                                       firstRow(b, rows, at[2]));
    Value never = b.real(-std::numeric_limits<float>::infinity());
    return b.make<arith::SelectOp>(same, b.multiply(b.real(scale), dot), never);
  }

  ReferenceBuilder &b;
  RowsTensors rows;
  Value query, key, value;
  float scale;
  int64_t heads, dim;
};
} // namespace

LogicalResult SelfAttentionOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  b.define(values, getResult(), SelfAttentionBuilder(b, *this, values).build());
  return success();
}
