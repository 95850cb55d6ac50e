//===- GpuAttention.cpp - Attention over the KV cache on a GPU -------------===//
//
// A block takes one key/value head of one row, with all queries of that head, and
// goes through splits of 256 positions.  In each a thread computes the scores of one
// position; the threads then share the values.  The state of a softmax over all
// splits so far is kept as in Milakov and Gimelshein (2018), so the result depends on
// the position alone.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/PhaseParts.h"
#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/VectorMath.h"
#include "compiler/target/nvptx/GpuElements.h"
#include "compiler/target/nvptx/GpuPhase.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// A thread has one position of a split.
static_assert(AttentionSplit == BlockThreads);

/// The score of what is not seen: its exponential is 0.
static constexpr float Unseen = -1.0e30f;

/// What is kept of a query: the greatest score, the sum of weights, and what the last
/// split multiplied all before it with.
static constexpr int64_t Greatest = 0, Sum = 4, Factor = 8, StateBytes = 16;

namespace {

class AttentionPhase {
public:
  AttentionPhase(GpuContext &context, ir::AttentionOp op, Value result);
  LogicalResult emit();

private:
  void emitTile(Value tile);
  void emitQueries(Value tileRow);
  SmallVector<Value> emitSplit(Value split, ValueRange mixes);
  void emitScores(Value base, Value keys);
  void emitSoftmax();
  SmallVector<Value> emitMix(Value count, Value values, ValueRange mixes);
  void emitResult(ValueRange mixes, Value tileRow);
  Value scoreOf(int64_t query, Value position) {
    return k.at(k.at(scores, query * AttentionSplit * 4), k.mul(position, 4));
  }
  Value stateOf(int64_t query) { return k.at(states, query * StateBytes); }
  Value load(Value pointer) { return k.loadWide(k.f32(), pointer, 4); }
  Value exponential(Value x) { return k.onScalar(x, emitExp); }

  GpuContext &c;
  GpuBuilder &k;
  ir::AttentionOp op;
  Value result; ///< What is stored: of op, or another view of it.
  ir::KVType type;
  int64_t dim, queries, bytes;
  int64_t width;                      ///< Neighbours of a value that a thread has.
  int64_t lanes, groups;              ///< Threads that have a value; values at a time.
  Value query, scores, states, mixed; ///< Shared memory.
  Value row, head, position, sequence;
};

} // namespace

AttentionPhase::AttentionPhase(GpuContext &context, ir::AttentionOp op, Value result)
    : c(context), k(context.k), op(op), result(result), type(op.getCache().getType()),
      dim(type.getHeadDim()) {
  queries = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1) / type.getHeads();
  bytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  constexpr int64_t widest = 16;
  width = widest / bytes;
  while (dim % width != 0)
    width /= 2;
  lanes = dim / width;
  groups = BlockThreads / lanes;
  query = c.allocateShared(queries * dim * 4);
  scores = c.allocateShared(queries * AttentionSplit * 4);
  states = c.allocateShared(queries * StateBytes);
  mixed = c.allocateShared(groups * dim * 4);
}

LogicalResult AttentionPhase::emit() {
  if (groups == 0 || c.sharedBytes() > SharedBytes)
    return op.emitError() << "heads of " << dim << " elements, " << queries
                          << " queries for each key, are too large for the GPU's kernels";
  c.forBlocks(k.constant(0), k.mul(c.rowCount(), type.getHeads()),
              [&](Value tile) { emitTile(tile); });
  return success();
}

void AttentionPhase::emitTile(Value tile) {
  row = k.div(tile, type.getHeads());
  head = k.rem(tile, type.getHeads());
  position = c.rowField(GpuContext::Field::Position, row);
  sequence = c.rowField(GpuContext::Field::Sequence, row);
  emitQueries(k.mul(head, queries * dim * 4));
  k.barrier();
  Value firstSplit = k.constant(0);
  if (std::optional<uint64_t> window = op.getWindow()) {
    Value oldest = k.max(k.sub(position, k.constant(*window - 1)), k.constant(0));
    firstSplit = k.div(oldest, AttentionSplit);
  }
  Value splits = k.add(k.div(position, AttentionSplit), 1);
  SmallVector<Value> zeros(queries, k.splat(0.0f, width));
  SmallVector<Value> mixes =
      k.forLoop(firstSplit, splits, 1, zeros,
                [&](Value split, ValueRange carried) { return emitSplit(split, carried); });
  emitResult(mixes, k.mul(head, queries * dim * 4));
}

/// The queries of the head to shared memory, and fresh states.
void AttentionPhase::emitQueries(Value headBytes) {
  Value from = k.at(c.rowPointer(op.getQuery(), {row, k.constant(0)}), headBytes);
  c.forThreads(k.constant(queries * dim), [&](Value i) {
    k.storeWide(load(k.at(from, k.mul(i, 4))), k.at(query, k.mul(i, 4)), 4);
  });
  c.forThreads(k.constant(queries), [&](Value i) {
    Value state = k.at(states, k.mul(i, StateBytes));
    k.storeWide(k.floatConstant(Unseen), k.at(state, Greatest), 4);
    k.storeWide(k.floatConstant(0.0f), k.at(state, Sum), 4);
  });
}

SmallVector<Value> AttentionPhase::emitSplit(Value split, ValueRange mixes) {
  Value base = k.mul(split, AttentionSplit);
  Value keys = c.cachePointer(type, sequence, head, split);
  Value values = k.at(keys, getKVFormat(type).splitBytes(type));
  Value count = k.min(k.add(k.sub(position, base), 1), k.constant(AttentionSplit));
  emitScores(base, keys);
  k.barrier();
  emitSoftmax();
  k.barrier();
  SmallVector<Value> next = emitMix(count, values, mixes);
  // The next split takes the place of these scores.
  k.barrier();
  return next;
}

/// Keys are [16][dim][16 positions]: neighbouring threads read neighbouring elements.
void AttentionPhase::emitScores(Value base, Value keys) {
  Value own = k.add(base, c.thread);
  Value seen = k.less(own, k.add(position, 1));
  if (std::optional<uint64_t> window = op.getWindow())
    seen = k.both(seen, k.less(k.sub(position, k.constant(*window)), own));
  Value block = k.mul(k.div(c.thread, Lanes), dim * Lanes);
  Value first = k.at(keys, k.mul(k.add(block, k.rem(c.thread, Lanes)), bytes));
  auto emitSeen = [&] {
    SmallVector<Value> zeros(queries, k.floatConstant(0.0f));
    SmallVector<Value> sums =
        k.forLoop(k.constant(0), k.constant(dim), 1, zeros,
                  [&](Value element, ValueRange carried) -> SmallVector<Value> {
                    Value pointer = k.at(first, k.mul(element, Lanes * bytes));
                    Value key = k.extract(
                        k.extend(k.loadWide(k.vec(type.getElementType(), 1), pointer, bytes)), 0);
                    SmallVector<Value> next;
                    for (auto [index, sum] : llvm::enumerate(carried)) {
                      Value start = k.at(query, static_cast<int64_t>(index) * dim * 4);
                      next.push_back(k.fma(load(k.at(start, k.mul(element, 4))), key, sum));
                    }
                    return next;
                  });
    for (auto [index, sum] : llvm::enumerate(sums))
      k.storeWide(k.mulf(sum, k.floatConstant(op.getScale().convertToFloat())),
                  scoreOf(index, c.thread), 4);
  };
  k.ifThenElse(seen, emitSeen, [&] {
    for (int64_t index = 0; index < queries; ++index)
      k.storeWide(k.floatConstant(Unseen), scoreOf(index, c.thread), 4);
  });
}

/// A warp takes a query: its scores become weights.
void AttentionPhase::emitSoftmax() {
  constexpr int64_t each = AttentionSplit / WarpThreads;
  k.forLoop(c.warp, k.constant(queries), BlockWarps, [&](Value index) {
    Value state = k.at(states, k.mul(index, StateBytes));
    Value own = k.at(k.at(scores, k.mul(index, AttentionSplit * 4)), k.mul(c.lane, 4));
    Value before = load(k.at(state, Greatest)), sumBefore = load(k.at(state, Sum));
    SmallVector<Value> values;
    Value greatest = before;
    for (int64_t i = 0; i < each; ++i) {
      values.push_back(load(k.at(own, i * WarpThreads * 4)));
      greatest = k.maxf(greatest, values.back());
    }
    greatest = k.warpReduce(greatest, [&](Value a, Value b) { return k.maxf(a, b); });
    Value sum = k.floatConstant(0.0f);
    for (int64_t i = 0; i < each; ++i) {
      Value weight = exponential(k.subf(values[i], greatest));
      k.storeWide(weight, k.at(own, i * WarpThreads * 4), 4);
      sum = k.addf(sum, weight);
    }
    sum = k.warpReduce(sum, [&](Value a, Value b) { return k.addf(a, b); });
    Value factor = exponential(k.subf(before, greatest));
    k.ifThen(k.equal(c.lane, k.constant(0)), [&] {
      k.storeWide(greatest, k.at(state, Greatest), 4);
      k.storeWide(k.fma(sumBefore, factor, sum), k.at(state, Sum), 4);
      k.storeWide(factor, k.at(state, Factor), 4);
    });
  });
}

/// Values are [256][dim]; thread t has elements of every `groups`-th position.
SmallVector<Value> AttentionPhase::emitMix(Value count, Value values, ValueRange mixes) {
  SmallVector<Value> scaled;
  for (auto [index, mix] : llvm::enumerate(mixes)) {
    Value factor = load(k.at(stateOf(index), Factor));
    scaled.push_back(k.mulf(mix, k.broadcast(factor, width)));
  }
  Value group = k.div(c.thread, lanes), element = k.mul(k.rem(c.thread, lanes), width);
  // Threads beyond the last group have nothing to add.
  Value first = k.select(k.less(group, k.constant(groups)), group, count);
  VectorType stored = k.vec(type.getElementType(), width);
  return k.forLoop(first, count, groups, scaled,
                   [&](Value at, ValueRange carried) -> SmallVector<Value> {
                     Value place = k.mul(k.add(k.mul(at, dim), element), bytes);
                     Value value = k.extend(k.loadWide(stored, k.at(values, place), width * bytes));
                     SmallVector<Value> next;
                     for (auto [index, mix] : llvm::enumerate(carried)) {
                       Value weight = load(scoreOf(index, at));
                       next.push_back(k.fma(value, k.broadcast(weight, width), mix));
                     }
                     return next;
                   });
}

void AttentionPhase::emitResult(ValueRange mixes, Value headBytes) {
  Value to = k.at(c.rowPointer(result, {row, k.constant(0)}), headBytes);
  Value isOwner = k.less(c.thread, k.constant(groups * lanes));
  for (auto [index, mix] : llvm::enumerate(mixes)) {
    k.ifThen(isOwner, [&] {
      Value place = k.mul(c.thread, width * 4);
      k.storeWide(mix, k.at(mixed, place), std::min<int64_t>(4 * width, 16));
    });
    k.barrier();
    Value sum = load(k.at(stateOf(index), Sum));
    c.forThreads(k.constant(dim), [&](Value element) {
      Value total;
      for (int64_t group = 0; group < groups; ++group) {
        Value part = load(k.at(k.at(mixed, group * dim * 4), k.mul(element, 4)));
        total = total ? k.addf(total, part) : part;
      }
      Value place = k.add(k.constant(static_cast<int64_t>(index) * dim), element);
      k.storeWide(k.divf(total, sum), k.at(to, k.mul(place, 4)), 4);
    });
    k.barrier();
  }
}

static const GpuPhaseEmitterRegistration attention({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Heads && findAttention(phase).first;
    },
    [](GpuContext &context) -> LogicalResult {
      auto [op, stored] = findAttention(context.phase);
      return AttentionPhase(context, op, stored).emit();
    },
});
