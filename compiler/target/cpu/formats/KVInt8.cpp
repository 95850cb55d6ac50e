//===- KVInt8.cpp - Keys and values in int8 --------------------------------===//
//
// Of the key of a position and head, every 32 elements are int8 times an f32 scale
// of their own, and so they are of its value.  Queries and weights are rounded to int16, so that
// products are of pairs of int16, summed in int32: an integer is the same however it was summed.
//
// A block of 16 positions is
//
//   keys    i8 [dim / 2][16 positions][2], f32 scales [dim / 32][16 positions]
//   values  i8 [dim / 16][8][16][2 positions], f32 scales [dim / 32][16 positions]
//
// dim is rounded up to a multiple of 16, what is added stays zero, and the last
// scale may be of 16 elements.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/VectorMath.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

constexpr int64_t Int8Limit = 127, Int16Limit = 32767;
/// Bytes that one step of a loop over pairs takes: of 16 lanes, two bytes each.
constexpr int64_t PairBytes = 2 * Lanes;
/// Pairs of positions in a block, and the bytes of their values for 16 of dim.
constexpr int64_t BlockPairs = Lanes / 2, GroupBytes = BlockPairs * PairBytes;

/// The scales of a block lie behind its integers.
int64_t scalesOffset(int64_t dim) { return Lanes * paddedDim(dim); }
/// Elements that share a scale, and how many scales there are.
constexpr int64_t ScaleElements = 32;
int64_t scalesOf(int64_t dim) { return llvm::divideCeil(dim, ScaleElements); }
int64_t blockBytesOf(int64_t dim) { return scalesOffset(dim) + scalesOf(dim) * Lanes * 4; }

class Int8Reader final : public KVReader {
public:
  Int8Reader(PhaseContext &context, ir::AttentionOp attention, int64_t most)
      : KVReader(context, attention), padded(paddedDim(dim)), blockBytes(blockBytesOf(dim)),
        scales(scalesOf(dim)), queryIntegers(context.allocateScratch(most * padded * 2)),
        queryScales(context.allocateScratch(most * 4)),
        weightIntegers(context.allocateScratch(most * scales * AttentionSplit * 2)),
        weightScales(context.allocateScratch(most * scales * 4)) {}

  void prepareQueries(ValueRange queries) override;
  SmallVector<Value> emitProducts(ValueRange queries, const KVPointers &split, Value block,
                                  int64_t width) override;
  void prepareWeights(Value weights, int64_t queries, const KVPointers &split,
                      Value blocks) override;
  void emitMix(Value weights, int64_t queries, const KVPointers &split, Value blocks, int64_t width,
               Value to, int64_t stride, const KVAhead &ahead) override;

private:
  SmallVector<Value> addPairs(ValueRange sums, ArrayRef<Value> from, Value factors, int64_t stride);

  SmallVector<Value> addKeys(ValueRange sums, Value keys, Value values, Value scale, int64_t width);
  void prepareWeight(Value row, Value scales, Value bytes, Value to, Value unit);

  int64_t padded, blockBytes, scales;
  Value queryIntegers;  ///< i16 [queries][padded]
  Value queryScales;    ///< f32 [queries]
  Value weightIntegers; ///< i16 [queries][scales][AttentionSplit]
  Value weightScales;   ///< f32 [queries][scales]
};

class Int8Format final : public KVFormat {
public:
  int64_t splitBytes(ir::KVType type) const override {
    return AttentionSplit / Lanes * blockBytesOf(type.getHeadDim());
  }
  void prepare(PhaseContext &context, const Segment &segment, const EpiloguePlace &head,
               ir::KVAppendOp append, const KVPlace &place, HeadFactors &factors) const override;
  void write(EpilogueRow &row, ir::KVAppendOp append, int64_t chunk,
             const KVPlace &place) const override;
  std::unique_ptr<KVReader> createReader(PhaseContext &context, ir::AttentionOp attention,
                                         int64_t most) const override {
    return std::make_unique<Int8Reader>(context, attention, most);
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// The nearest int16 of every lane.
static Value emitNearestInt16(KernelBuilder &k, Value x) {
  int64_t lanes = cast<VectorType>(x.getType()).getNumElements();
  return arith::TruncIOp::create(k.builder(), k.getLoc(), k.vec(k.i16(), lanes),
                                 emitNearestInt(k, x));
}

void Int8Reader::prepareQueries(ValueRange queries) {
  // The sum over all of dim is an int32.
  int64_t limit = std::min(Int16Limit, INT32_MAX / (Int8Limit * padded));
  int64_t lanes = commonLanes({dim});
  VectorType floats = k.vec(k.f32(), lanes);
  for (auto [index, query] : llvm::enumerate(queries)) {
    Value from = query, to = k.at(queryIntegers, index * padded * 2);
    Value greatest =
        k.forLoop(k.constant(0), k.constant(dim * 4), lanes * 4, {k.splat(0.0f, lanes)},
                  [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                    Value x = k.load(floats, k.at(from, offset));
                    return {k.maxf(emitAbs(k, x), carried[0])};
                  })[0];
    IntegerScale scale = emitIntegerScale(k, k.reduceMax(greatest), limit);
    k.store(scale.unit, k.at(queryScales, index * 4));
    Value inverse = k.broadcast(scale.inverse, lanes);
    k.forLoop(k.constant(0), k.constant(dim), lanes, [&](Value element) {
      Value x = k.load(floats, k.at(from, k.mul(element, 4)));
      k.store(emitNearestInt16(k, k.mulf(x, inverse)), k.at(to, k.mul(element, 2)));
    });
  }
}

/// Adds pairs of 16 lanes, from several places, times the pair of each query, from
/// `factors` and every `stride` bytes on: [query][place].
SmallVector<Value> Int8Reader::addPairs(ValueRange sums, ArrayRef<Value> from, Value factors,
                                        int64_t stride) {
  SmallVector<Value> words, next;
  VectorType pairs = k.vec(k.i16(), PairBytes);
  for (Value start : from)
    words.push_back(arith::ExtSIOp::create(k.builder(), k.getLoc(), pairs,
                                           k.load(k.vec(k.i8(), PairBytes), start)));
  for (auto [index, sum] : llvm::enumerate(sums)) {
    Value both = k.load(k.i32(), k.at(factors, index / from.size() * stride));
    Value factor = k.bitcast(k.broadcast(both), pairs);
    next.push_back(c.target.int16Dot(k, sum, words[index % from.size()], factor));
  }
  return next;
}

/// Adds the products of the elements of one scale, as integers: [query][block].
SmallVector<Value> Int8Reader::addKeys(ValueRange sums, Value keys, Value values, Value scale,
                                       int64_t width) {
  constexpr int64_t unroll = 4, pairs = ScaleElements / 2;
  Value first = k.mul(scale, pairs);
  Value last = k.min(k.add(first, pairs), k.constant(padded / 2));
  return k.forLoop(first, last, unroll, sums, [&](Value pair, ValueRange carried) {
    // One row uses each key and value once.
    if (c.maxRows() == 1)
      k.prefetch(k.at(values, k.mul(pair, PairBytes * width)), unroll * PairBytes * width);
    SmallVector<Value> next(carried);
    for (int64_t step = 0; step < unroll; ++step) {
      Value own = k.add(pair, step);
      SmallVector<Value> from;
      for (int64_t part = 0; part < width; ++part)
        from.push_back(k.at(k.at(keys, part * blockBytes), k.mul(own, PairBytes)));
      next = addPairs(next, from, k.at(queryIntegers, k.mul(own, 4)), padded * 2);
    }
    return next;
  });
}

SmallVector<Value> Int8Reader::emitProducts(ValueRange queries, const KVPointers &split,
                                            Value block, int64_t width) {
  Value start = k.mul(block, blockBytes);
  Value keys = k.at(split.keys, start), values = k.at(split.values, start);
  SmallVector<Value> zeros(queries.size() * width, k.splatInt(k.i32(), 0));
  SmallVector<Value> none(queries.size() * width, k.splat(0.0f));
  auto addScale = [&](Value scale, ValueRange carried) {
    SmallVector<Value> next;
    for (auto [index, sum] : llvm::enumerate(addKeys(zeros, keys, values, scale, width))) {
      Value own = k.at(keys, index % width * blockBytes + scalesOffset(dim));
      Value units = k.load(k.vec(k.f32()), k.at(own, k.mul(scale, Lanes * 4)));
      next.push_back(k.fma(k.toFloat(sum), units, carried[index]));
    }
    return next;
  };
  SmallVector<Value> products = k.forLoop(k.constant(0), k.constant(scales), 1, none, addScale);
  if (c.maxRows() == 1)
    k.prefetch(k.at(values, scalesOffset(dim) * width), scales * Lanes * 4 * width);
  for (auto [index, product] : llvm::enumerate(products))
    product = k.mulf(product, k.loadSplat(k.at(queryScales, index / width * 4)));
  return products;
}

/// The weights of a query for the values of one scale go to `to`, and their unit.
/// `own` are the scales of the first block.
void Int8Reader::prepareWeight(Value row, Value own, Value bytes, Value to, Value unit) {
  VectorType floats = k.vec(k.f32());
  // Of 16 weights, whose offset in bytes is 64 times the block.
  auto scaled = [&](Value offset) {
    Value units = k.load(floats, k.at(own, k.mul(k.div(offset, Lanes * 4), blockBytes)));
    return k.mulf(k.load(floats, k.at(row, offset)), units);
  };
  Value greatest = k.forLoop(k.constant(0), bytes, Lanes * 4, {k.splat(0.0f)},
                             [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                               return {k.maxf(scaled(offset), carried[0])};
                             })[0];
  IntegerScale scale = emitIntegerScale(k, k.reduceMax(greatest), Int16Limit);
  k.store(scale.unit, unit);
  Value inverse = k.broadcast(scale.inverse);
  k.forLoop(k.constant(0), bytes, Lanes * 4, [&](Value offset) {
    Value weight = k.mulf(scaled(offset), inverse);
    k.store(emitNearestInt16(k, weight), k.at(to, k.div(offset, 2)));
  });
}

/// Weights take the scales of the values, and are then rounded to int16 with one
/// unit for the split.
void Int8Reader::prepareWeights(Value weights, int64_t queries, const KVPointers &split,
                                Value blocks) {
  Value bytes = k.mul(blocks, Lanes * 4), units = k.at(split.values, scalesOffset(dim));
  k.forLoop(k.constant(0), k.constant(queries * scales), 1, [&](Value index) {
    Value row = k.at(weights, k.mul(k.div(index, scales), AttentionSplit * 4));
    Value own = k.at(units, k.mul(k.rem(index, scales), Lanes * 4));
    prepareWeight(row, own, bytes, k.at(weightIntegers, k.mul(index, AttentionSplit * 2)),
                  k.at(weightScales, k.mul(index, 4)));
  });
}

void Int8Reader::emitMix(Value, int64_t queries, const KVPointers &split, Value blocks,
                         int64_t width, Value to, int64_t stride, const KVAhead &ahead) {
  int64_t groups = padded / Lanes;
  // Groups that are taken together have one scale: they start at an even one.
  width = groups % 2 == 0 ? std::min(width, ScaleElements / Lanes) : 1;
  int64_t weightStride = scales * AttentionSplit * 2;
  k.forLoop(k.constant(0), k.constant(groups), width, [&](Value group) {
    Value start = k.at(split.values, k.mul(group, GroupBytes));
    Value scale = k.div(group, ScaleElements / Lanes);
    Value integers = k.at(weightIntegers, k.mul(scale, AttentionSplit * 2));
    SmallVector<Value> sums(queries * width, k.splatInt(k.i32(), 0));
    // In all, as many bytes as the values have.
    int64_t each = width * blockBytes / groups;
    Value asked = k.mul(k.mul(group, blocks), each / width);
    sums = k.forLoop(k.constant(0), blocks, 1, sums, [&](Value block, ValueRange carried) {
      askAhead(ahead, k.add(asked, k.mul(block, each)), each);
      Value values = k.at(start, k.mul(block, blockBytes));
      Value weights = k.at(integers, k.mul(block, Lanes * 2));
      SmallVector<Value> next(carried);
      for (int64_t pair = 0; pair < BlockPairs; ++pair) {
        SmallVector<Value> from;
        for (int64_t part = 0; part < width; ++part)
          from.push_back(k.at(values, part * GroupBytes + pair * PairBytes));
        next = addPairs(next, from, k.at(weights, pair * 4), weightStride);
      }
      return next;
    });
    for (auto [index, sum] : llvm::enumerate(sums)) {
      Value units = k.at(k.at(weightScales, index / width * scales * 4), k.mul(scale, 4));
      Value own = k.at(to, index / width * stride + index % width * Lanes * 4);
      k.store(k.mulf(k.toFloat(sum), k.loadSplat(units)), k.at(own, k.mul(group, Lanes * 4)));
    }
  });
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// Where the first scale of a position is, behind the block's integers.
static Value firstScale(KernelBuilder &k, Value base, Value position, int64_t dim) {
  Value block = k.mul(k.div(position, Lanes), blockBytesOf(dim));
  Value scale = k.add(k.mul(k.rem(position, Lanes), 4), scalesOffset(dim));
  return k.at(k.at(base, block), scale);
}

/// Where the scale of a chunk is, from the head's first scale on.
static Value scaleOfChunk(EpilogueRow &part, int64_t chunk, Value first) {
  KernelBuilder &k = part.c.k;
  Value element = k.add(part.shift, chunk * part.segment.lanes);
  return k.at(first, k.mul(k.div(element, ScaleElements), Lanes * 4));
}

/// Computes the scales of a key or value.  Until all of it was seen, each holds the
/// greatest size so far.
static void emitScales(PhaseContext &c, const Segment &segment, const EpiloguePlace &head,
                       const HeadFactors &factors, Value vector, Value first, int64_t dim) {
  KernelBuilder &k = c.k;
  auto forScales = [&](llvm::function_ref<void(Value)> body) {
    k.forLoop(k.constant(0), k.constant(scalesOf(dim) * Lanes * 4), Lanes * 4,
              [&](Value offset) { body(k.at(first, offset)); });
  };
  forScales([&](Value scale) { k.store(k.floatConstant(0.0f), scale); });
  foldHead(c, segment, head, factors, {},
           [&](EpilogueRow &part, int64_t chunk, ValueRange) -> SmallVector<Value> {
             Value own = scaleOfChunk(part, chunk, first);
             Value most = k.reduceMax(emitAbs(k, part.get(vector, chunk)));
             k.store(k.maxf(most, k.load(k.f32(), own)), own);
             return {};
           });
  forScales([&](Value scale) {
    k.store(emitIntegerScale(k, k.load(k.f32(), scale), Int8Limit).unit, scale);
  });
}

void Int8Format::prepare(PhaseContext &c, const Segment &segment, const EpiloguePlace &head,
                         ir::KVAppendOp append, const KVPlace &place, HeadFactors &factors) const {
  int64_t dim = append.getCache().getType().getHeadDim();
  for (auto [operand, base] : {std::pair(&append.getKeyMutable(), place.split.keys),
                               std::pair(&append.getValueMutable(), place.split.values)}) {
    Value first = firstScale(c.k, base, place.position, dim);
    emitScales(c, segment, head, factors, operand->get(), first, dim);
    factors[operand] = first;
  }
}

/// One chunk of `operand` as int8.
static Value emitInt8Chunk(EpilogueRow &r, OpOperand &operand, int64_t chunk) {
  KernelBuilder &k = r.c.k;
  Value unit = k.load(k.f32(), scaleOfChunk(r, chunk, r.factors.lookup(&operand)));
  Value zero = k.floatConstant(0.0f), one = k.floatConstant(1.0f);
  Value isZero = k.compare(arith::CmpFPredicate::OEQ, unit, zero);
  Value inverse = k.select(isZero, zero, k.divf(one, unit));
  Value scaled = k.mulf(r.get(operand.get(), chunk), k.broadcast(inverse, r.segment.lanes));
  return arith::TruncIOp::create(k.builder(), k.getLoc(), k.vec(k.i8(), r.segment.lanes),
                                 emitNearestInt(k, scaled));
}

void Int8Format::write(EpilogueRow &r, ir::KVAppendOp append, int64_t chunk,
                       const KVPlace &place) const {
  KernelBuilder &k = r.c.k;
  int64_t dim = append.getCache().getType().getHeadDim(), lanes = r.segment.lanes;
  Value block = k.mul(k.div(place.position, Lanes), blockBytesOf(dim));
  Value keys = k.at(place.split.keys, block), values = k.at(place.split.values, block);
  Value inBlock = k.rem(place.position, Lanes);
  Value key = emitInt8Chunk(r, append.getKeyMutable(), chunk);
  Value value = emitInt8Chunk(r, append.getValueMutable(), chunk);
  // A chunk of several elements starts at an even one, and is of one group of 16.
  Value pair = k.add(k.mul(k.div(place.element, 2), PairBytes), k.rem(place.element, 2));
  keys = k.at(keys, k.add(pair, k.mul(inBlock, 2)));
  Value group = k.mul(k.div(place.element, Lanes), GroupBytes);
  pair = k.add(k.mul(k.div(inBlock, 2), PairBytes), k.rem(inBlock, 2));
  Value inGroup = k.mul(k.rem(place.element, Lanes), 2);
  values = k.at(values, k.add(k.add(group, pair), inGroup));
  for (int64_t lane = 0; lane < lanes; ++lane) {
    k.store(k.extract(key, lane), k.at(keys, lane / 2 * PairBytes + lane % 2));
    k.store(k.extract(value, lane), k.at(values, 2 * lane));
  }
}

static KVFormatRegistration int8("int8", std::make_shared<Int8Format>());
