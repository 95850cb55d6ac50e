//===- GpuAttentionState.cpp - The softmax of queries of a block -----------===//

#include "compiler/target/nvptx/GpuAttentionState.h"

#include "compiler/target/nvptx/GpuAttentionParts.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

Value AttentionState::get(Value query, int64_t field) { return load(stateOf(query), field); }

Value AttentionState::position(Value query) { return loadInt(stateOf(query), Position); }

Value AttentionState::isInRun(Value query) {
  Value own = stateOf(query), isThere = k.less(k.integer(-1), position(query));
  return k.both(isThere, k.less(loadInt(own, Begin), loadInt(own, End)));
}

void AttentionState::prepare() {
  forQueries([&](Value query) {
    Value local = k.div(query, shape.queries), own = stateOf(query);
    Value row = k.add(run.row, k.min(local, k.add(run.rows, -1)));
    Value position = c.rowField(GpuContext::Field::Position, row);
    AttentionSplits splits = emitRunSplits(k, op, position, run.part);
    for (int64_t field : {Greatest, MergedGreatest})
      put(k.floatConstant(UnseenScore), own, field);
    for (int64_t field : {Sum, MergedSum})
      put(k.floatConstant(0.0f), own, field);
    Value shown = k.select(k.less(local, run.rows), position, k.constant(-1));
    for (auto [field, value] : {std::pair(Position, shown), std::pair(Begin, splits.begin),
                                std::pair(End, splits.end), std::pair(Each, splits.each)})
      put(k.narrow(value), own, field);
  });
}

Value AttentionState::emitGreatest(Value query) {
  Value result = load(stateOf(query), Greatest);
  for (Value own : loadWarps(memory.greatest, query))
    result = k.maxf(result, own);
  return result;
}

/// What the warps have told of a query.
SmallVector<Value> AttentionState::loadWarps(Value memory, Value query) {
  constexpr int64_t each = 4;
  SmallVector<Value> result;
  for (int64_t first = 0; first < BlockWarps; first += each) {
    Value place = k.at(memory, k.mul(query, WarpValuesBytes), first * 4);
    Value some = k.loadWide(k.vec(k.f32(), each), place, each * 4);
    for (int64_t i = 0; i < each; ++i)
      result.push_back(k.extract(some, i));
  }
  return result;
}

/// Whether the split is one of the row's.
Value AttentionState::hasSplit(Value own, Value split) {
  Value begins = k.less(loadInt(own, Begin), k.add(split, k.integer(1)));
  return k.both(begins, k.less(split, loadInt(own, End)));
}

/// Whether the row has the next split in the same part.
Value AttentionState::goesOn(Value own, Value split) {
  Value next = k.add(split, k.integer(1)), isThere = k.less(next, loadInt(own, End));
  Value first = k.equal(k.remainder(next, loadInt(own, Each)), k.integer(0));
  Value inPart = k.select(first, k.integer(0), k.integer(1));
  return k.both(k.both(hasSplit(own, split), isThere), k.less(k.integer(0), inPart));
}

void AttentionState::updateFactors(Value split, Value isLast) {
  forQueries([&](Value query) {
    Value own = stateOf(query), next = emitGreatest(query);
    put(k.exp(k.subf(load(own, Greatest), next)), own, Factor);
    put(next, own, Next);
    k.ifThen(isLast, [&] {
      Value narrow = k.narrow(split), goes = goesOn(own, narrow), has = hasSplit(own, narrow);
      Value before = load(own, MergedGreatest);
      AttentionMerge merge = emitAttentionMerge(k, before, next);
      // Where no part ends all stays as it is.
      auto choose = [&](Value ends, Value stays) {
        return k.select(has, k.select(goes, stays, ends), stays);
      };
      put(choose(merge.before, k.floatConstant(1.0f)), own, Before);
      put(choose(merge.part, k.floatConstant(0.0f)), own, Part);
      put(choose(merge.greatest, before), own, MergedGreatest);
    });
  });
}

void AttentionState::updateSums(Value split, Value isLast) {
  forQueries([&](Value query) {
    Value own = stateOf(query), ofTurn;
    for (Value sum : loadWarps(memory.sums, query))
      ofTurn = ofTurn ? k.addf(ofTurn, sum) : sum;
    Value sum = k.fma(load(own, Sum), load(own, Factor), ofTurn);
    put(sum, own, Sum);
    put(load(own, Next), own, Greatest);
    k.ifThen(isLast, [&] {
      AttentionMerge merge{{}, load(own, Before), load(own, Part)};
      put(merge.sum(k, load(own, MergedSum), sum), own, MergedSum);
      // What comes next is of another part, or has not been the row's.
      Value goes = goesOn(own, k.narrow(split));
      put(k.select(goes, sum, k.floatConstant(0.0f)), own, Sum);
      put(k.select(goes, load(own, Next), k.floatConstant(UnseenScore)), own, Greatest);
    });
  });
}
