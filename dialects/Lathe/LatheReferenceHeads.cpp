//===- LatheReferenceHeads.cpp - What the ops on heads mean ----------------===//

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Lathe/ReferenceBuilder.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace lathe::ir;

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

LogicalResult SplitHeadsOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput());
  int64_t heads = dimOf(getResult(), 1), dim = dimOf(getResult(), 2);
  Value result = b.generate(b.rowSizes(input, {heads, dim}), [&](ValueRange at) {
    Value start = b.make<arith::MulIOp>(at[1], b.index(dim));
    return b.at(input, {at[0], b.make<arith::AddIOp>(start, at[2])});
  });
  b.define(values, getResult(), result);
  return success();
}

LogicalResult MergeHeadsOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), dim = b.index(dimOf(getInput(), 2));
  Value result = b.generate(b.rowSizes(input, dimOf(getResult(), 1)), [&](ValueRange at) {
    Value head = b.make<arith::DivUIOp>(at[1], dim), rest = b.make<arith::RemUIOp>(at[1], dim);
    return b.at(input, {at[0], head, rest});
  });
  b.define(values, getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Rotary positions
//===----------------------------------------------------------------------===//

namespace {
/// Which pair an element of a head belongs to, and its two places.
struct RopePair {
  RopePair(ReferenceBuilder &b, RopeLayout layout, int64_t pairs, Value element) {
    bool half = layout == RopeLayout::Half;
    Value stride = b.index(half ? pairs : 1);
    number = half ? b.make<arith::RemUIOp>(element, stride)
                  : b.make<arith::DivUIOp>(element, b.index(2));
    first = half ? number : b.make<arith::MulIOp>(number, b.index(2));
    second = b.make<arith::AddIOp>(first, stride);
    isFirst = b.make<arith::CmpIOp>(arith::CmpIPredicate::eq, element, first);
  }
  Value number, first, second, isFirst;
};
} // namespace

LogicalResult RopeOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  Value input = values.tensor(getInput()), table = values.tensor(getTable());
  int64_t pairs = dimOf(getTable(), 1);
  Value result = b.generate(b.sizes(input), [&](ValueRange at) {
    // The elements behind the last pair stay as they are.
    Value turned = b.make<arith::CmpIOp>(arith::CmpIPredicate::ult, at[2], b.index(2 * pairs));
    auto turn = scf::IfOp::create(b, b.getF32Type(), turned, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(turn.thenBlock());
    RopePair pair(b, getLayout(), pairs, at[2]);
    Value cosine = b.at(table, {at[0], pair.number, b.index(0)});
    Value sine = b.at(table, {at[0], pair.number, b.index(1)});
    Value x = b.at(input, {at[0], at[1], pair.first}), y = b.at(input, {at[0], at[1], pair.second});
    Value newX = b.subtract(b.multiply(x, cosine), b.multiply(y, sine));
    Value newY = b.add(b.multiply(x, sine), b.multiply(y, cosine));
    scf::YieldOp::create(b, b.make<arith::SelectOp>(pair.isFirst, newX, newY));
    b.setInsertionPointToStart(turn.elseBlock());
    scf::YieldOp::create(b, b.at(input, at));
    return turn.getResult(0);
  });
  b.define(values, getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Attention and its state
//===----------------------------------------------------------------------===//

/// `cache` with row `row` of `rows` at [layer, sequence, position].
static Value buildStore(ReferenceBuilder &b, Value cache, Value rows, Value row,
                        ArrayRef<Value> place) {
  auto type = cast<RankedTensorType>(rows.getType());
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  OpFoldResult heads = b.getIndexAttr(type.getDimSize(1)), dim = b.getIndexAttr(type.getDimSize(2));
  auto rowType = RankedTensorType::get(type.getShape().drop_front(), b.getF32Type());
  Value slice = b.make<tensor::ExtractSliceOp>(
      rowType, rows, ArrayRef<OpFoldResult>{row, zero, zero},
      ArrayRef<OpFoldResult>{one, heads, dim}, ArrayRef<OpFoldResult>{one, one, one});
  SmallVector<OpFoldResult> offsets(place), sizes{one, one, one, heads, dim}, strides(5, one);
  offsets.append({zero, zero});
  return b.make<tensor::InsertSliceOp>(slice, cache, offsets, sizes, strides);
}

/// Every 32 elements of a head take multiples of a unit of their own.
static Value buildInt8Form(ReferenceBuilder &b, Value tensor) {
  constexpr int64_t block = 32;
  SmallVector<OpFoldResult> sizes = b.sizes(tensor), blocks(sizes);
  int64_t dim = dimOf(tensor, 2);
  blocks.back() = b.getIndexAttr(llvm::divideCeil(dim, block));
  Value units = b.generate(blocks, [&](ValueRange at) {
    Value first = b.make<arith::MulIOp>(at[2], b.index(block));
    Value next = b.make<arith::AddIOp>(first, b.index(block));
    Value last = b.make<arith::MinUIOp>(next, b.index(dim));
    Value top = b.maximum(first, last, [&](Value element) {
      return b.make<math::AbsFOp>(b.at(tensor, {at[0], at[1], element}));
    });
    return b.divide(top, b.real(127.0f));
  });
  return b.generate(sizes, [&](ValueRange at) {
    Value own = b.make<arith::DivUIOp>(at[2], b.index(block));
    Value unit = b.at(units, {at[0], at[1], own});
    return b.roundToMultiple(unit, b.divide(b.real(1.0f), unit), b.at(tensor, at));
  });
}

/// A cache of a narrower type holds rounded values.
static Value buildStoredForm(ReferenceBuilder &b, Type stored, Value tensor) {
  if (stored.isF32())
    return tensor;
  if (stored.isInteger())
    return buildInt8Form(b, tensor);
  return b.generate(b.sizes(tensor),
                    [&](ValueRange at) { return b.roundTo(stored, b.at(tensor, at)); });
}

LogicalResult KVAppendOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  RowsTensors rows(values, getRows());
  CacheTensors cache(values, getCache());
  Value layer = values.tensor(getLayer());
  Type stored = getCache().getType().getElementType();
  Value key = buildStoredForm(b, stored, values.tensor(getKey()));
  Value value = buildStoredForm(b, stored, values.tensor(getValue()));
  auto body = [&](OpBuilder &nested, Location loc, Value row, ValueRange carried) {
    ReferenceBuilder inner(loc, nested);
    Value place[] = {layer, inner.indexAt(rows.sequence, row), inner.indexAt(rows.position, row)};
    Value keys = buildStore(inner, carried[0], key, row, place);
    Value all = buildStore(inner, carried[1], value, row, place);
    scf::YieldOp::create(inner, ValueRange{keys, all});
  };
  auto loop = scf::ForOp::create(b, b.index(0), b.sizeValue(rows.position, 0), b.index(1),
                                 ValueRange{cache.keys, cache.values}, body);
  values.map(getResult(), loop.getResults());
  return success();
}

namespace {
/// Builds softmax(scale * q k) v for the positions that a row may see, what meets keys and
/// values being rounded where the op has a precision type.
class AttentionBuilder {
public:
  AttentionBuilder(ReferenceBuilder &b, AttentionOp op, const ReferenceValues &values)
      : b(b), rows(values, op.getRows()), cache(values, op.getCache()),
        query(rounded(op, values.tensor(op.getQuery()))), layer(values.tensor(op.getLayer())),
        scale(op.getScale().convertToFloat()), window(op.getWindow()), dim(dimOf(op.getQuery(), 2)),
        headsPerGroup(dimOf(op.getQuery(), 1) / op.getCache().getType().getHeads()),
        precision(op.getPrecisionType()) {}

  Value build() {
    SmallVector<OpFoldResult> sizes = b.sizes(query);
    sizes.back() = b.size(cache.keys, 2);
    Value scores = b.generate(sizes, [&](ValueRange at) { return score(at); });
    Value weights = precision ? roundedSoftmax(scores) : softmax(scores);
    return b.generate(b.sizes(query), [&](ValueRange at) {
      return b.sum(first(at[0]), last(at[0]), [&](Value p) {
        return b.multiply(b.at(weights, {at[0], at[1], p}), cached(cache.values, at, p, at[2]));
      });
    });
  }

private:
  /// The positions that row `row` sees are first <= p < last.
  Value last(Value row) { return b.make<arith::AddIOp>(b.indexAt(rows.position, row), b.index(1)); }
  Value first(Value row) {
    if (!window)
      return b.index(0);
    Value start = b.make<arith::SubIOp>(last(row), b.index(*window));
    return b.make<arith::MaxSIOp>(start, b.index(0));
  }

  /// Element `element` of the cached vector that row and head at[0], at[1] see at `position`.
  Value cached(Value tensor, ValueRange at, Value position, Value element) {
    Value group = b.make<arith::DivUIOp>(at[1], b.index(headsPerGroup));
    return b.at(tensor, {layer, b.indexAt(rows.sequence, at[0]), position, group, element});
  }

  Value score(ValueRange at) {
    Value dot = b.sum(b.index(0), b.index(dim), [&](Value i) {
      return b.multiply(b.at(query, {at[0], at[1], i}), cached(cache.keys, at, at[2], i));
    });
    return b.multiply(b.real(scale), dot);
  }

  Value softmax(Value scores) {
    SmallVector<OpFoldResult> sizes = b.sizes(scores);
    ArrayRef<OpFoldResult> leading = ArrayRef(sizes).drop_back();
    auto scoreAt = [&](ValueRange at, Value p) { return b.at(scores, {at[0], at[1], p}); };
    Value top = b.generate(leading, [&](ValueRange at) {
      return b.maximum(first(at[0]), last(at[0]), [&](Value p) { return scoreAt(at, p); });
    });
    Value powers = b.generate(sizes, [&](ValueRange at) {
      return b.make<math::ExpOp>(b.subtract(b.at(scores, at), b.at(top, at.drop_back())));
    });
    Value total = b.generate(leading, [&](ValueRange at) {
      return b.sum(first(at[0]), last(at[0]),
                   [&](Value p) { return b.at(powers, {at[0], at[1], p}); });
    });
    return b.generate(sizes, [&](ValueRange at) {
      return b.divide(b.at(powers, at), b.at(total, at.drop_back()));
    });
  }

  Value splitOf(Value p) { return b.make<arith::DivUIOp>(p, b.index(KVType::SplitPositions)); }

  /// The greatest score that is seen in each split, [row, head, split].
  Value splitTops(Value scores) {
    constexpr int64_t length = KVType::SplitPositions;
    SmallVector<OpFoldResult> sizes = b.sizes(scores);
    Value capacity = b.sizeValue(scores, 2);
    sizes.back() = b.make<arith::CeilDivUIOp>(capacity, b.index(length));
    return b.generate(sizes, [&](ValueRange at) {
      Value start = b.make<arith::MulIOp>(at[2], b.index(length));
      Value end = b.make<arith::AddIOp>(start, b.index(length));
      return b.maximum(b.make<arith::MaxSIOp>(first(at[0]), start),
                       b.make<arith::MinSIOp>(last(at[0]), end),
                       [&](Value p) { return b.at(scores, {at[0], at[1], p}); });
    });
  }

  /// The softmax whose exponentials are rounded in each split.
  Value roundedSoftmax(Value scores) {
    SmallVector<OpFoldResult> sizes = b.sizes(scores);
    ArrayRef<OpFoldResult> leading = ArrayRef(sizes).drop_back();
    Value tops = splitTops(scores);
    Value top = b.generate(leading, [&](ValueRange at) {
      return b.maximum(b.index(0), b.sizeValue(tops, 2),
                       [&](Value split) { return b.at(tops, {at[0], at[1], split}); });
    });
    auto power = [&](ValueRange at) {
      Value own = b.at(tops, {at[0], at[1], splitOf(at[2])});
      return b.make<math::ExpOp>(b.subtract(b.at(scores, at), own));
    };
    Value shifts = b.generate(b.sizes(tops), [&](ValueRange at) {
      return b.make<math::ExpOp>(b.subtract(b.at(tops, at), b.at(top, at.drop_back())));
    });
    auto shifted = [&](ValueRange at, Value power) {
      return b.multiply(power, b.at(shifts, {at[0], at[1], splitOf(at[2])}));
    };
    Value total = b.generate(leading, [&](ValueRange at) {
      return b.sum(first(at[0]), last(at[0]), [&](Value p) {
        Value place[] = {at[0], at[1], p};
        return shifted(place, power(place));
      });
    });
    return b.generate(sizes, [&](ValueRange at) {
      Value weight = shifted(at, b.roundTo(*precision, power(at)));
      return b.divide(weight, b.at(total, at.drop_back()));
    });
  }

  /// Queries as keys meet them.
  Value rounded(AttentionOp op, Value queries) {
    std::optional<Type> type = op.getPrecisionType();
    return type ? buildStoredForm(b, *type, queries) : queries;
  }

  ReferenceBuilder &b;
  RowsTensors rows;
  CacheTensors cache;
  Value query, layer;
  float scale;
  std::optional<int64_t> window;
  int64_t dim, headsPerGroup;
  std::optional<Type> precision;
};
} // namespace

LogicalResult AttentionOp::buildReference(OpBuilder &builder, ReferenceValues &values) {
  ReferenceBuilder b(getLoc(), builder);
  b.define(values, getResult(), AttentionBuilder(b, *this, values).build());
  return success();
}
