//===- KVPairs.cpp - Keys and values in bf16 -------------------------------===//
//
// Neighbours that are multiplied and added together lie side by side: two elements
// of a key, and an element of the values of two positions.  So one instruction of
// machines that have it takes 16 pairs,
//
//   keys    bf16 [position / 16][D / 2][16 positions][2]
//   values  bf16 [position / 2][D][2 positions]
//
// D is dim, rounded up to a multiple of 16; what is added stays zero.  The attention's
// precision type says whether queries and weights are rounded to bf16, too, as the
// instruction wants them.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/VectorMath.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Bytes of a pair, and of those of 16 lanes.
constexpr int64_t PairBytes = 4, RowBytes = Lanes * PairBytes;
/// Pairs that one turn of a loop takes.
constexpr int64_t Unroll = 2;

class PairReader final : public KVReader {
public:
  PairReader(PhaseContext &context, ir::AttentionOp attention, int64_t most)
      : KVReader(context, attention), padded(paddedDim(dim)),
        rounds(attention.getPrecisionType().has_value()), dots(rounds && context.target.bf16Dot),
        factorBytes(dots ? 2 : 4), ownQueries(context.allocateScratch(most * padded * factorBytes)),
        ownWeights(dots ? context.allocateScratch(most * AttentionSplit * factorBytes) : Value()) {}

  void prepareQueries(ValueRange queries) override;
  SmallVector<Value> emitProducts(ValueRange queries, const KVPointers &split, Value block,
                                  int64_t width) override;
  void prepareWeights(Value weights, int64_t queries, const KVPointers &split,
                      Value blocks) override;
  void emitMix(Value weights, int64_t queries, const KVPointers &split, Value blocks, int64_t width,
               Value to, int64_t stride, const KVAhead &ahead) override;

private:
  void storeFactors(Value from, Value to, Value count, int64_t lanes);
  SmallVector<Value> addPairs(ValueRange sums, ArrayRef<Value> from, Value factors, int64_t stride);
  int64_t blockBytes() const { return Lanes * padded * 2; }

  int64_t padded;
  bool rounds;         ///< Whether queries and weights are rounded to bf16.
  bool dots;           ///< Whether the instruction takes them; else they lie as f32.
  int64_t factorBytes; ///< Of an element of them.
  Value ownQueries;    ///< [queries][padded]
  Value ownWeights;    ///< [queries][AttentionSplit]; null where they stay where they are.
};

class PairFormat final : public KVFormat {
public:
  int64_t splitBytes(ir::KVType type) const override {
    return AttentionSplit * paddedDim(type.getHeadDim()) * 2;
  }
  void write(EpilogueRow &row, ir::KVAppendOp append, int64_t chunk,
             const KVPlace &place) const override;
  std::unique_ptr<KVReader> createReader(PhaseContext &context, ir::AttentionOp attention,
                                         int64_t most) const override {
    return std::make_unique<PairReader>(context, attention, most);
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// `count` f32 from `from`, `lanes` at a time, as what keys or values meet; `to` may be
/// where they are.
void PairReader::storeFactors(Value from, Value to, Value count, int64_t lanes) {
  k.forLoop(k.constant(0), count, lanes, [&](Value element) {
    Value x = k.load(k.vec(k.f32(), lanes), k.at(from, k.mul(element, 4)));
    if (dots)
      x = c.target.roundToBF16(k, x);
    else if (rounds)
      x = k.extend(emitRoundBF16(k, x));
    k.store(x, k.at(to, k.mul(element, factorBytes)));
  });
}

void PairReader::prepareQueries(ValueRange queries) {
  for (auto [index, query] : llvm::enumerate(queries)) {
    Value to = k.at(ownQueries, index * padded * factorBytes);
    if (padded != dim)
      k.store(k.splatInt(k.i8(), 0, Lanes * factorBytes), k.at(to, (padded - Lanes) * factorBytes));
    storeFactors(query, to, k.constant(dim), commonLanes({dim}));
  }
}

void PairReader::prepareWeights(Value weights, int64_t queries, const KVPointers &, Value blocks) {
  if (!rounds)
    return;
  Value to = dots ? ownWeights : weights;
  for (int64_t query = 0; query < queries; ++query)
    storeFactors(k.at(weights, query * AttentionSplit * 4),
                 k.at(to, query * AttentionSplit * factorBytes), k.mul(blocks, Lanes), Lanes);
}

/// Adds 16 pairs, from several places, times the pair of each query, from `factors`
/// and every `stride` bytes on: [query][place].
SmallVector<Value> PairReader::addPairs(ValueRange sums, ArrayRef<Value> from, Value factors,
                                        int64_t stride) {
  VectorType type = k.vec(k.builder().getBF16Type(), 2 * Lanes);
  SmallVector<Value> pairs, next(sums);
  SmallVector<std::pair<Value, Value>> halves;
  for (Value start : from) {
    pairs.push_back(k.load(type, start));
    if (!dots)
      halves.push_back(k.splitPairs(pairs.back()));
  }
  for (size_t query = 0; query < sums.size() / from.size(); ++query) {
    Value own = k.at(factors, query * stride);
    auto sumsOf = MutableArrayRef(next).slice(query * from.size(), from.size());
    if (dots) {
      Value factor = k.bitcast(k.broadcast(k.load(k.i32(), own)), type);
      for (auto [sum, pair] : llvm::zip(sumsOf, pairs))
        sum = c.target.bf16Dot(k, sum, pair, factor);
      continue;
    }
    // The odd elements first, as the instruction does.
    Value even = k.loadSplat(own), odd = k.loadSplat(k.at(own, factorBytes));
    for (auto [sum, half] : llvm::zip(sumsOf, halves))
      sum = k.fma(half.first, even, k.fma(half.second, odd, sum));
  }
  return next;
}

SmallVector<Value> PairReader::emitProducts(ValueRange queries, const KVPointers &split,
                                            Value block, int64_t width) {
  Value start = k.mul(block, blockBytes());
  Value keys = k.at(split.keys, start), values = k.at(split.values, start);
  SmallVector<Value> sums(queries.size() * width, k.splat(0.0f));
  return k.forLoop(
      k.constant(0), k.constant(padded / 2), Unroll, sums, [&](Value index, ValueRange carried) {
        // One row uses each key and value once.
        if (c.maxRows() == 1)
          k.prefetch(k.at(values, k.mul(index, width * RowBytes)), Unroll * width * RowBytes);
        SmallVector<Value> next(carried);
        for (int64_t step = 0; step < Unroll; ++step) {
          Value pair = k.add(index, step), row = k.at(keys, k.mul(pair, RowBytes));
          SmallVector<Value> places;
          for (int64_t own = 0; own < width; ++own)
            places.push_back(k.at(row, own * blockBytes()));
          next = addPairs(next, places, k.at(ownQueries, k.mul(pair, 2 * factorBytes)),
                          padded * factorBytes);
        }
        return next;
      });
}

void PairReader::emitMix(Value weights, int64_t queries, const KVPointers &split, Value blocks,
                         int64_t width, Value to, int64_t stride, const KVAhead &ahead) {
  while (padded % (width * Lanes) != 0)
    width /= 2;
  Value factors = dots ? ownWeights : weights, count = k.mul(blocks, Lanes / 2);
  k.forLoop(k.constant(0), k.constant(padded), width * Lanes, [&](Value first) {
    SmallVector<Value> sums(queries * width, k.splat(0.0f));
    Value column = k.at(split.values, k.mul(first, PairBytes));
    // In all, as many bytes as the values have.
    Value asked = k.mul(k.mul(first, count), PairBytes);
    sums = k.forLoop(k.constant(0), count, Unroll, sums, [&](Value index, ValueRange carried) {
      int64_t each = width * RowBytes;
      askAhead(ahead, k.add(asked, k.mul(index, each)), Unroll * each);
      SmallVector<Value> next(carried);
      for (int64_t step = 0; step < Unroll; ++step) {
        Value pair = k.add(index, step), row = k.at(column, k.mul(pair, padded * PairBytes));
        SmallVector<Value> places;
        for (int64_t part = 0; part < width; ++part)
          places.push_back(k.at(row, part * RowBytes));
        next = addPairs(next, places, k.at(factors, k.mul(pair, 2 * factorBytes)),
                        AttentionSplit * factorBytes);
      }
      return next;
    });
    for (auto [number, sum] : llvm::enumerate(sums)) {
      Value own = k.at(to, number / width * stride + number % width * Lanes * 4);
      k.store(sum, k.at(own, k.mul(first, 4)));
    }
  });
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// The halves of pairs that `half` names, 0 or 1; the other stays as it is.
static void storeHalves(KernelBuilder &k, Value words, Value half, Value to) {
  OpBuilder &b = k.builder();
  auto type = k.vec(k.i32(), cast<VectorType>(words.getType()).getNumElements());
  Value shift = k.mul(arith::TruncIOp::create(b, k.getLoc(), k.i32(), half),
                      arith::ConstantIntOp::create(b, k.getLoc(), 16, 32));
  Value shifts = k.broadcast(shift, type.getNumElements());
  Value wide = arith::ExtUIOp::create(b, k.getLoc(), type, words);
  Value own = arith::ShLIOp::create(b, k.getLoc(), wide, shifts);
  Value others = arith::ShRUIOp::create(b, k.getLoc(),
                                        k.splatInt(k.i32(), -65536, type.getNumElements()), shifts);
  Value kept = arith::AndIOp::create(b, k.getLoc(), k.load(type, to), others);
  k.store(arith::OrIOp::create(b, k.getLoc(), kept, own), to);
}

void PairFormat::write(EpilogueRow &r, ir::KVAppendOp append, int64_t chunk,
                       const KVPlace &place) const {
  KernelBuilder &k = r.c.k;
  int64_t padded = paddedDim(append.getCache().getType().getHeadDim()), lanes = r.segment.lanes;
  auto narrow = [&](Value x) { return emitRoundBF16(k, r.get(x, chunk)); };
  // One worker writes all rows of a head (ColumnPhase::claimTiles), so that a pair may be read and
  // written back.
  Value pair = k.mul(k.div(place.position, 2), padded);
  Value values = k.at(place.split.values, k.mul(k.add(pair, place.element), PairBytes));
  Value words = k.bitcast(narrow(append.getValue()), k.vec(k.i16(), lanes));
  storeHalves(k, words, k.rem(place.position, 2), values);

  Value key = narrow(append.getKey());
  Value block = k.mul(k.div(place.position, Lanes), padded / 2);
  Value row = k.mul(k.add(block, k.div(place.element, 2)), RowBytes);
  Value keys = k.at(k.at(place.split.keys, row), k.mul(k.rem(place.position, Lanes), PairBytes));
  if (lanes == 1)
    return k.store(k.extract(key, 0), k.at(keys, k.mul(k.rem(place.element, 2), 2)));
  Value pairs = k.bitcast(key, k.vec(k.i32(), lanes / 2));
  for (int64_t lane = 0; lane < lanes / 2; ++lane)
    k.store(k.extract(pairs, lane), k.at(keys, lane * RowBytes));
}

static KVFormatRegistration bf16("bf16", std::make_shared<PairFormat>());
