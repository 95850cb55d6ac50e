//===- SelfAttentionPhase.cpp - Attention inside the texts of a step -------===//
//
// A tile is one head and a block of up to 32 rows of one text, counted from the
// text's first row.  The lanes of a vector are queries: the scores of a key are one
// splat of its elements times the queries side by side, softmax runs down the keys
// without sums across lanes, and the mix is again splats of values times weights.
// A query's sums run over the rows of its text in order, whatever stands beside it,
// so its bits depend on the text alone.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Queries of a tile, in vectors of `Lanes`.
constexpr int64_t Groups = 2, BlockRows = Groups * Lanes, RowBytes = BlockRows * 4;

/// Numbers f32 [each][inner], by their distances in bytes.
struct Splats {
  Value base;
  int64_t eachBytes, innerBytes;
};

class SelfAttentionPhase {
public:
  SelfAttentionPhase(PhaseContext &context, ir::SelfAttentionOp attention, Value result)
      : c(context), k(context.k), op(attention), result(result), heads(attention.getHeads()),
        dim(ir::dimOf(attention.getQuery(), 1) / heads), lanes(commonLanes({dim})) {}

  void emit();

private:
  void emitBlock(Value first, Value start, Value end, Value head);
  void packQueries(Value first, Value last, Value head);
  void emitProducts(Value count, Value inner, Value vectors, const Splats &numbers, Value to);
  void emitTile(int64_t width, Value each, Value inner, Value vectors, const Splats &numbers,
                Value to);
  SmallVector<Value> emitWeights(Value count);
  void storeResults(Value first, Value count, Value head, ValueRange factors);

  /// The first element of a head in a row of `value`.
  Value headOf(Value value, Value row, Value head) {
    return k.at(c.rowPointer(value, row, c.maxRows()), k.mul(head, dim * 4));
  }
  /// The place of one lane of a row of a block.
  Value laneOf(Value block, Value row, Value lane) {
    return k.at(k.at(block, k.mul(row, RowBytes)), k.mul(lane, 4));
  }
  SmallVector<Value> loadRow(Value row) {
    SmallVector<Value> groups;
    for (int64_t group = 0; group < Groups; ++group)
      groups.push_back(k.load(k.vec(k.f32()), k.at(row, group * Lanes * 4)));
    return groups;
  }

  PhaseContext &c;
  KernelBuilder &k;
  ir::SelfAttentionOp op;
  Value result;
  int64_t heads, dim, lanes;
  Value queries; ///< f32 [dim][BlockRows], scaled.
  Value scores;  ///< f32 [rows of the text][BlockRows], then weights.
  Value mixed;   ///< f32 [dim][BlockRows]
};

} // namespace

/// Texts are found from the last row back, so that the end of each is known.
void SelfAttentionPhase::emit() {
  queries = c.allocateScratch(dim * RowBytes);
  mixed = c.allocateScratch(dim * RowBytes);
  scores = c.allocateScratch(c.maxRows() * RowBytes);
  Value zero = k.constant(0), count = c.rowCount();
  auto visit = [&](Value index, ValueRange carried) -> SmallVector<Value> {
    Value row = k.sub(k.sub(count, k.constant(1)), index), end = carried[0], blocks = carried[1];
    Value position = c.rowField(c.args.position, row);
    Value isBlock = k.equal(k.rem(position, BlockRows), zero);
    k.ifThen(isBlock, [&] {
      // Tiles go round the workers.
      Value before = k.mul(blocks, heads);
      Value rounds = k.ceilDiv(k.max(k.sub(before, c.worker), zero), c.workers);
      Value turn = k.sub(k.add(c.worker, k.mul(rounds, c.workers)), before);
      k.forLoop(turn, k.constant(heads), c.workers,
                [&](Value head) { emitBlock(row, k.sub(row, position), end, head); });
    });
    return {k.select(k.equal(position, zero), row, end),
            k.select(isBlock, k.add(blocks, 1), blocks)};
  };
  k.forLoop(zero, count, 1, {count, zero}, visit);
}

/// Of the text from row `start` to `end`, the queries from `first` on.
void SelfAttentionPhase::emitBlock(Value first, Value start, Value end, Value head) {
  Value count = k.sub(end, start), width = k.constant(dim);
  packQueries(first, k.sub(end, k.constant(1)), head);
  int64_t keyBytes = c.rowsOf(op.getKey(), c.maxRows()).rowBytes;
  emitProducts(count, width, queries, {headOf(op.getKey(), start, head), keyBytes, 4}, scores);
  SmallVector<Value> sums = emitWeights(count);
  int64_t valueBytes = c.rowsOf(op.getValue(), c.maxRows()).rowBytes;
  emitProducts(width, count, scores, {headOf(op.getValue(), start, head), 4, valueBytes}, mixed);
  storeResults(first, k.min(k.sub(end, first), k.constant(BlockRows)), head, sums);
}

/// The lanes behind the text's last row repeat it.
void SelfAttentionPhase::packQueries(Value first, Value last, Value head) {
  Value scale = k.splat(op.getScale().convertToFloat(), lanes);
  k.forLoop(k.constant(0), k.constant(BlockRows), 1, [&](Value lane) {
    Value from = headOf(op.getQuery(), k.min(k.add(first, lane), last), head);
    k.forLoop(k.constant(0), k.constant(dim), lanes, [&](Value element) {
      Value part = k.load(k.vec(k.f32(), lanes), k.at(from, k.mul(element, 4)));
      part = k.mulf(part, scale);
      for (int64_t i = 0; i < lanes; ++i)
        k.store(k.extract(part, i), laneOf(queries, k.add(element, i), lane));
    });
  });
}

/// to[each] = the sum over `inner` of numbers[each][inner] times vectors[inner], for
/// `width` neighbours at a time.
void SelfAttentionPhase::emitTile(int64_t width, Value each, Value inner, Value vectors,
                                  const Splats &numbers, Value to) {
  Value base = k.at(numbers.base, k.mul(each, numbers.eachBytes));
  SmallVector<Value> sums(width * Groups, k.splat(0.0f));
  sums = k.forLoop(k.constant(0), inner, 1, sums, [&](Value index, ValueRange carried) {
    SmallVector<Value> next(carried), row = loadRow(k.at(vectors, k.mul(index, RowBytes)));
    Value place = k.at(base, k.mul(index, numbers.innerBytes));
    for (int64_t own = 0; own < width; ++own) {
      Value number = k.loadSplat(k.at(place, own * numbers.eachBytes));
      for (int64_t group = 0; group < Groups; ++group) {
        Value &sum = next[own * Groups + group];
        sum = k.fma(number, row[group], sum);
      }
    }
    return next;
  });
  Value destination = k.at(to, k.mul(each, RowBytes));
  for (int64_t i = 0; i < width * Groups; ++i)
    k.store(sums[i], k.at(destination, i * Lanes * 4));
}

void SelfAttentionPhase::emitProducts(Value count, Value inner, Value vectors,
                                      const Splats &numbers, Value to) {
  int64_t width = c.target.floatRowTile;
  Value whole = k.mul(k.div(count, width), width);
  k.forLoop(k.constant(0), whole, width,
            [&](Value each) { emitTile(width, each, inner, vectors, numbers, to); });
  k.forLoop(whole, count, 1, [&](Value each) { emitTile(1, each, inner, vectors, numbers, to); });
}

/// Scores become weights; gives what makes their sum 1.
SmallVector<Value> SelfAttentionPhase::emitWeights(Value count) {
  Value zero = k.constant(0), bytes = k.mul(count, RowBytes);
  SmallVector<Value> least(Groups, k.splat(-std::numeric_limits<float>::infinity()));
  SmallVector<Value> maxima =
      k.forLoop(zero, bytes, RowBytes, least, [&](Value offset, ValueRange carried) {
        SmallVector<Value> next;
        for (auto [score, own] : llvm::zip(loadRow(k.at(scores, offset)), carried))
          next.push_back(k.maxf(score, own));
        return next;
      });
  SmallVector<Value> nothing(Groups, k.splat(0.0f));
  SmallVector<Value> sums =
      k.forLoop(zero, bytes, RowBytes, nothing, [&](Value offset, ValueRange carried) {
        SmallVector<Value> next;
        Value row = k.at(scores, offset);
        for (auto [group, score] : llvm::enumerate(loadRow(row))) {
          Value weight = emitExp(k, k.subf(score, maxima[group]));
          k.store(weight, k.at(row, group * Lanes * 4));
          next.push_back(k.addf(weight, carried[group]));
        }
        return next;
      });
  for (Value &sum : sums)
    sum = k.divf(k.splat(1.0f), sum);
  return sums;
}

void SelfAttentionPhase::storeResults(Value first, Value count, Value head, ValueRange factors) {
  k.forLoop(k.constant(0), k.constant(dim * RowBytes), RowBytes, [&](Value offset) {
    Value row = k.at(mixed, offset);
    for (auto [group, sum] : llvm::enumerate(loadRow(row)))
      k.store(k.mulf(sum, factors[group]), k.at(row, group * Lanes * 4));
  });
  k.forLoop(k.constant(0), count, 1, [&](Value lane) {
    Value to = headOf(result, k.add(first, lane), head);
    k.forLoop(k.constant(0), k.constant(dim), lanes, [&](Value element) {
      for (int64_t i = 0; i < lanes; ++i) {
        Value own = k.load(k.f32(), laneOf(mixed, k.add(element, i), lane));
        k.store(own, k.at(to, k.mul(k.add(element, i), 4)));
      }
    });
  });
}

/// The attention of a phase; null when something else stands in the phase.
static ir::SelfAttentionOp findAttention(step::PhaseOp phase) {
  ir::SelfAttentionOp attention;
  for (Operation &op : phase.getBody().front()) {
    if (auto found = dyn_cast<ir::SelfAttentionOp>(op))
      attention = found;
    else if (!isa<step::LoadOp, step::StoreOp>(op))
      return {};
  }
  return attention;
}

/// As if the rows were one text.
static PhaseTiles divideBlocks(step::PhaseOp phase, const CpuTarget &, int64_t rows, int64_t,
                               int64_t workers) {
  ir::SelfAttentionOp attention = findAttention(phase);
  auto heads = static_cast<int64_t>(attention.getHeads());
  int64_t count = (rows + BlockRows - 1) / BlockRows * heads;
  int64_t share = (count + workers - 1) / workers;
  return {{{{}, ir::dimOf(attention.getQuery(), 1) / heads, std::min(rows, BlockRows), count}},
          static_cast<double>(share) / count};
}

static PhaseEmitterRegistration selfAttention({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Heads && findAttention(phase);
    },
    [](PhaseContext &context) -> LogicalResult {
      ir::SelfAttentionOp op = findAttention(context.phase);
      SelfAttentionPhase(context, op, op.getResult()).emit();
      return success();
    },
    divideBlocks,
});
