//===- KVFloats.cpp - Keys and values in f32 and f16 -----------------------===//
//
// Keys of 16 consecutive positions are interleaved, [position / 16][dim][16], so
// that a vector holds one element of 16 keys; values are [position][dim].
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Steps of a loop that are taken at a time: 16 lanes of two bytes are half a line.
constexpr int64_t Unroll = 2;

class FloatReader final : public KVReader {
public:
  FloatReader(PhaseContext &context, ir::AttentionOp attention)
      : KVReader(context, attention), element(type.getElementType()),
        bytes(element.getIntOrFloatBitWidth() / 8), lanes(commonLanes({dim})) {}

  SmallVector<Value> emitProducts(ValueRange queries, const KVPointers &split, Value block,
                                  int64_t width) override;
  void emitMix(Value weights, int64_t queries, const KVPointers &split, Value blocks, int64_t width,
               Value to, int64_t stride, const KVAhead &ahead) override;

private:
  SmallVector<Value> addValues(ValueRange sums, int64_t width, Value row, Value weights,
                               Value offset);
  int64_t blockBytes() const { return Lanes * dim * bytes; }

  Type element;
  int64_t bytes, lanes;
};

class FloatFormat final : public KVFormat {
public:
  int64_t splitBytes(ir::KVType type) const override {
    return AttentionSplit * type.getHeadDim() * type.getElementType().getIntOrFloatBitWidth() / 8;
  }
  void write(EpilogueRow &row, ir::KVAppendOp append, int64_t chunk,
             const KVPlace &place) const override;
  std::unique_ptr<KVReader> createReader(PhaseContext &context, ir::AttentionOp attention,
                                         int64_t) const override {
    return std::make_unique<FloatReader>(context, attention);
  }
};

} // namespace

SmallVector<Value> FloatReader::emitProducts(ValueRange queries, const KVPointers &split,
                                             Value block, int64_t width) {
  Value start = k.mul(block, blockBytes());
  Value from = k.at(split.keys, start), values = k.at(split.values, start);
  SmallVector<Value> sums(queries.size() * width, k.splat(0.0f));
  int64_t unroll = dim % Unroll == 0 ? Unroll : 1, asked = unroll * width * Lanes * bytes;
  auto add = [&](Value index, ValueRange sums) {
    Value row = k.at(from, k.mul(index, Lanes * bytes)), offset = k.mul(index, 4);
    SmallVector<Value> keys, next;
    for (int64_t own = 0; own < width; ++own)
      keys.push_back(k.extend(k.load(k.vec(element), k.at(row, own * blockBytes()))));
    for (auto [number, sum] : llvm::enumerate(sums)) {
      Value query = k.loadSplat(k.at(queries[number / width], offset));
      next.push_back(k.fma(keys[number % width], query, sum));
    }
    return next;
  };
  auto body = [&](Value index, ValueRange carried) {
    // One row uses each key and value once.
    if (c.maxRows() == 1)
      k.prefetch(k.at(values, k.mul(index, asked / unroll)), asked);
    SmallVector<Value> next(carried);
    for (int64_t step = 0; step < unroll; ++step)
      next = add(k.add(index, step), next);
    return next;
  };
  return k.forLoop(k.constant(0), k.constant(dim), unroll, sums, body);
}

/// Adds `width` vectors of the values of one position at `row` times the weights
/// at `offset`.
SmallVector<Value> FloatReader::addValues(ValueRange sums, int64_t width, Value row, Value weights,
                                          Value offset) {
  SmallVector<Value> parts, next;
  for (int64_t part = 0; part < width; ++part)
    parts.push_back(k.extend(k.load(k.vec(element, lanes), k.at(row, part * lanes * bytes))));
  for (auto [number, sum] : llvm::enumerate(sums)) {
    Value own = k.at(weights, number / width * AttentionSplit * 4);
    Value weight = k.loadSplat(k.at(own, offset), lanes);
    next.push_back(k.fma(parts[number % width], weight, sum));
  }
  return next;
}

void FloatReader::emitMix(Value weights, int64_t queries, const KVPointers &split, Value blocks,
                          int64_t width, Value to, int64_t stride, const KVAhead &ahead) {
  while (dim % (width * lanes) != 0)
    width /= 2;
  Value count = k.mul(blocks, Lanes);
  k.forLoop(k.constant(0), k.constant(dim), width * lanes, [&](Value index) {
    SmallVector<Value> sums(queries * width, k.splat(0.0f, lanes));
    Value column = k.at(split.values, k.mul(index, bytes));
    // In all, as many bytes as the values have.
    Value asked = k.mul(k.mul(index, count), bytes);
    sums = k.forLoop(k.constant(0), count, Unroll, sums, [&](Value position, ValueRange carried) {
      int64_t each = width * lanes * bytes;
      askAhead(ahead, k.add(asked, k.mul(position, each)), Unroll * each);
      SmallVector<Value> next(carried);
      for (int64_t step = 0; step < Unroll; ++step) {
        Value own = k.add(position, step);
        next =
            addValues(next, width, k.at(column, k.mul(own, dim * bytes)), weights, k.mul(own, 4));
      }
      return next;
    });
    for (auto [number, sum] : llvm::enumerate(sums)) {
      Value own = k.at(to, number / width * stride + number % width * lanes * 4);
      k.store(sum, k.at(own, k.mul(index, 4)));
    }
  });
}

void FloatFormat::write(EpilogueRow &r, ir::KVAppendOp append, int64_t chunk,
                        const KVPlace &place) const {
  KernelBuilder &k = r.c.k;
  ir::KVType type = append.getCache().getType();
  int64_t dim = type.getHeadDim(), lanes = r.segment.lanes;
  int64_t bytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  auto narrow = [&](Value value) -> Value {
    if (type.getElementType().isF32())
      return value;
    return arith::TruncFOp::create(k.builder(), k.getLoc(), k.vec(type.getElementType(), lanes),
                                   value);
  };
  Value offset = k.mul(k.add(k.mul(place.position, dim), place.element), bytes);
  k.store(narrow(r.get(append.getValue(), chunk)), k.at(place.split.values, offset));
  Value block = k.mul(k.div(place.position, Lanes), dim * Lanes);
  Value inBlock = k.add(k.mul(place.element, Lanes), k.rem(place.position, Lanes));
  Value keys = k.at(place.split.keys, k.mul(k.add(block, inBlock), bytes));
  Value key = narrow(r.get(append.getKey(), chunk));
  for (int64_t lane = 0; lane < lanes; ++lane)
    k.store(k.extract(key, lane), k.at(keys, lane * Lanes * bytes));
}

static KVFormatRegistration f32("f32", std::make_shared<FloatFormat>());
static KVFormatRegistration f16("f16", std::make_shared<FloatFormat>());
