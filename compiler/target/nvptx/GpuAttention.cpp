//===- GpuAttention.cpp - Attention over the KV cache on a GPU -------------===//
//
// A block takes one key/value head of one row, with all queries of that head, and
// goes through splits of 256 positions.  In each a thread computes the scores of one
// position; the threads then share the values.  The state of a softmax over splits is
// kept as in Milakov and Gimelshein (2018).
//
// Here are the caches that tensor cores do not take (GpuTensorAttention.h).
//
//===----------------------------------------------------------------------===//

#include "compiler/target/PhaseParts.h"
#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/nvptx/GpuAttentionParts.h"
#include "compiler/target/nvptx/GpuPhase.h"
#include "compiler/target/nvptx/GpuTensorAttention.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// A thread has one position of a split.
static_assert(AttentionSplit == BlockThreads);

/// What is kept of a query: the greatest score, the sum of weights, and what the last
/// split multiplied all before it with.
static constexpr int64_t Greatest = 0, Sum = 4, Factor = 8, StateBytes = 16;

namespace {

class AttentionPhase {
public:
  AttentionPhase(GpuContext &context, ir::AttentionOp op, Value result);
  LogicalResult emit();

private:
  // A block computes all parts of a row and head.
  void emitWhole(Value tile);
  void mergePart(int64_t index, Value element, Value total);
  void mergeStates();
  // The blocks share them, and meet.
  void emitShared();
  void emitSharedPart(Value item, Value most);

  void select(Value tile);
  void emitQueries();
  void resetStates();
  using Finish = llvm::function_ref<void(int64_t index, Value element, Value total)>;
  void emitPart(Value part, Finish finish);
  SmallVector<Value> emitSplit(Value split, ValueRange mixes);
  void emitScores(Value base, Value keys);
  void emitSoftmax();
  SmallVector<Value> emitMix(Value count, Value values, ValueRange mixes);
  void addGroups(ValueRange mixes, Finish finish);
  Value placeOf(int64_t query, Value element) { return k.add(element, query * dim); }
  Value mergedAt(Value query) { return k.at(mergedStates, k.mul(query, StateBytes)); }
  Value scoreOf(int64_t query, Value position) {
    return k.at(k.at(scores, query * AttentionSplit * 4), k.mul(position, 4));
  }
  Value stateOf(int64_t query) { return k.at(states, query * StateBytes); }
  Value load(Value pointer) { return k.loadWide(k.f32(), pointer, 4); }

  GpuContext &c;
  GpuBuilder &k;
  ir::AttentionOp op;
  ir::KVType type;
  int64_t dim, queries, bytes;
  int64_t width;                      ///< Neighbours of a value that a thread has.
  int64_t lanes, groups;              ///< Threads that have a value; values at a time.
  Value query, scores, states, mixed; ///< Shared memory.
  Value merged, mergedStates;         ///< Likewise, of the parts so far.
  Value row, head, position, sequence;
  AttentionParts parts; ///< Of the row.
  PartMemory memory;
};

} // namespace

static int64_t countQueries(ir::AttentionOp op) {
  int64_t heads = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1);
  return heads / op.getCache().getType().getHeads();
}

AttentionPhase::AttentionPhase(GpuContext &context, ir::AttentionOp op, Value result)
    : c(context), k(context.k), op(op), type(op.getCache().getType()), dim(type.getHeadDim()),
      queries(countQueries(op)), memory(context, op, result, type.getHeads(), queries) {
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
  bool isShared = c.maxRows() <= MostSplitRows;
  if (!isShared) {
    merged = c.allocateShared(queries * dim * 4);
    mergedStates = c.allocateShared(queries * StateBytes);
  }
  if (groups == 0 || c.sharedBytes() > SharedBytes)
    return op.emitError() << "heads of " << dim << " elements, " << queries
                          << " queries for each key, are too large for the GPU's kernels";
  if (isShared)
    emitShared();
  else
    c.forBlocks(k.constant(0), k.mul(c.rowCount(), type.getHeads()),
                [&](Value tile) { emitWhole(tile); });
  return success();
}

/// What follows is for the row and the head of a tile.
void AttentionPhase::select(Value tile) {
  row = k.div(tile, type.getHeads());
  head = k.rem(tile, type.getHeads());
  position = c.rowField(GpuContext::Field::Position, row);
  sequence = c.rowField(GpuContext::Field::Sequence, row);
  parts = emitAttentionParts(k, op, position);
}

/// The queries of the head to shared memory.
void AttentionPhase::emitQueries() {
  Value from =
      k.at(c.rowPointer(op.getQuery(), {row, k.constant(0)}), k.mul(head, queries * dim * 4));
  c.forThreads(k.constant(queries * dim), [&](Value i) {
    k.storeWide(load(k.at(from, k.mul(i, 4))), k.at(query, k.mul(i, 4)), 4);
  });
}

void AttentionPhase::resetStates() {
  c.forThreads(k.constant(queries), [&](Value i) {
    Value state = k.at(states, k.mul(i, StateBytes));
    k.storeWide(k.floatConstant(UnseenScore), k.at(state, Greatest), 4);
    k.storeWide(k.floatConstant(0.0f), k.at(state, Sum), 4);
  });
}

/// Calls `finish` for the elements that a thread has of the part's sums of weighted values.
void AttentionPhase::emitPart(Value part, Finish finish) {
  resetStates();
  k.barrier();
  Value first = k.max(parts.firstSplit, k.mul(part, parts.splitsOfPart));
  Value last = k.min(parts.splits, k.mul(k.add(part, 1), parts.splitsOfPart));
  SmallVector<Value> zeros(queries, k.splat(0.0f, width));
  SmallVector<Value> mixes = k.forLoop(first, last, 1, zeros, [&](Value split, ValueRange carried) {
    return emitSplit(split, carried);
  });
  addGroups(mixes, finish);
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
      k.storeWide(k.floatConstant(UnseenScore), scoreOf(index, c.thread), 4);
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
      Value weight = k.exp(k.subf(values[i], greatest));
      k.storeWide(weight, k.at(own, i * WarpThreads * 4), 4);
      sum = k.addf(sum, weight);
    }
    sum = k.warpReduce(sum, [&](Value a, Value b) { return k.addf(a, b); });
    Value factor = k.exp(k.subf(before, greatest));
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

/// The groups of threads had different positions.
void AttentionPhase::addGroups(ValueRange mixes, Finish finish) {
  Value isOwner = k.less(c.thread, k.constant(groups * lanes));
  for (auto [index, mix] : llvm::enumerate(mixes)) {
    k.ifThen(isOwner, [&] {
      Value place = k.mul(c.thread, width * 4);
      k.storeWide(mix, k.at(mixed, place), std::min<int64_t>(4 * width, 16));
    });
    k.barrier();
    c.forThreads(k.constant(dim), [&](Value element) {
      Value total;
      for (int64_t group = 0; group < groups; ++group) {
        Value part = load(k.at(k.at(mixed, group * dim * 4), k.mul(element, 4)));
        total = total ? k.addf(total, part) : part;
      }
      finish(index, element, total);
    });
    k.barrier();
  }
}

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

void AttentionPhase::mergePart(int64_t index, Value element, Value total) {
  Value own = k.at(merged, k.mul(placeOf(index, element), 4));
  AttentionMerge merge = emitAttentionMerge(k, load(k.at(mergedAt(k.constant(index)), Greatest)),
                                            load(k.at(stateOf(index), Greatest)));
  k.storeWide(merge.sum(k, load(own), total), own, 4);
}

void AttentionPhase::mergeStates() {
  c.forThreads(k.constant(queries), [&](Value i) {
    Value state = k.at(states, k.mul(i, StateBytes)), own = mergedAt(i);
    AttentionMerge merge =
        emitAttentionMerge(k, load(k.at(own, Greatest)), load(k.at(state, Greatest)));
    Value sum = merge.sum(k, load(k.at(own, Sum)), load(k.at(state, Sum)));
    k.storeWide(merge.greatest, k.at(own, Greatest), 4);
    k.storeWide(sum, k.at(own, Sum), 4);
  });
}

void AttentionPhase::emitWhole(Value tile) {
  select(tile);
  emitQueries();
  c.forThreads(k.constant(queries * dim),
               [&](Value i) { k.storeWide(k.floatConstant(0.0f), k.at(merged, k.mul(i, 4)), 4); });
  c.forThreads(k.constant(queries), [&](Value i) {
    k.storeWide(k.floatConstant(UnseenScore), k.at(mergedAt(i), Greatest), 4);
    k.storeWide(k.floatConstant(0.0f), k.at(mergedAt(i), Sum), 4);
  });
  k.forLoop(parts.firstPart, parts.parts, 1, [&](Value part) {
    emitPart(part,
             [&](int64_t index, Value element, Value total) { mergePart(index, element, total); });
    mergeStates();
    k.barrier();
  });
  c.forThreads(k.constant(queries * dim), [&](Value place) {
    Value sum = load(k.at(mergedAt(k.div(place, dim)), Sum));
    Value mean = emitWeightedMean(k, load(k.at(merged, k.mul(place, 4))), sum);
    k.storeWide(mean, k.at(memory.output(tile), k.mul(place, 4)), 4);
  });
  // The next tile takes the place of this one.
  k.barrier();
}

void AttentionPhase::emitShared() {
  Value most = memory.emitMost(), tiles = k.mul(c.rowCount(), type.getHeads());
  c.forBlocks(k.constant(0), k.mul(tiles, most), [&](Value item) { emitSharedPart(item, most); });
  memory.emitMerged(most);
}

void AttentionPhase::emitSharedPart(Value item, Value most) {
  Value tile = k.div(item, most), part = k.remainder(item, most);
  select(tile);
  Value isThere =
      k.both(k.less(part, parts.parts), k.less(k.sub(parts.firstPart, k.constant(1)), part));
  k.ifThen(isThere, [&] {
    emitQueries();
    Value sums = memory.sums(tile, part), isOnly = k.equal(most, k.constant(1));
    Value output = memory.output(tile);
    emitPart(part, [&](int64_t index, Value element, Value total) {
      Value offset = k.mul(placeOf(index, element), 4), sum = load(k.at(stateOf(index), Sum));
      auto keep = [&] { k.storeWide(total, k.at(sums, offset), 4); };
      auto finish = [&] { k.storeWide(emitWeightedMean(k, total, sum), k.at(output, offset), 4); };
      k.ifThenElse(isOnly, finish, keep);
    });
    c.forThreads(k.constant(queries), [&](Value i) {
      Value from = k.at(states, k.mul(i, StateBytes)), to = memory.state(sums, i);
      k.storeWide(load(k.at(from, Greatest)), k.at(to, PartMemory::Greatest), 4);
      k.storeWide(load(k.at(from, Sum)), k.at(to, PartMemory::Sum), 4);
    });
    k.barrier();
  });
}

static const GpuPhaseEmitterRegistration attention({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Heads && findAttention(phase).first;
    },
    [](GpuContext &context) -> LogicalResult {
      auto [op, stored] = findAttention(context.phase);
      if (hasTensorAttention(op.getCache().getType()))
        return emitTensorAttention(context, op, stored);
      return AttentionPhase(context, op, stored).emit();
    },
});
