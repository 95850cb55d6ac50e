//===- GpuAttentionParts.cpp - Parts of the positions of a row -------------===//

#include "compiler/target/nvptx/GpuAttentionParts.h"

#include "compiler/target/cpu/KVLayout.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Parts that the positions of a row are divided into at most.
static constexpr int64_t MostParts = 32;

/// Of a query in memory: the greatest score and the sum of weights.
static constexpr int64_t StateBytes = 8;

Value lathe::compiler::emitOldest(GpuBuilder &k, ir::AttentionOp op, Value position) {
  std::optional<uint64_t> window = op.getWindow();
  if (!window)
    return k.constant(0);
  return k.max(k.sub(position, k.constant(*window - 1)), k.constant(0));
}

AttentionParts lathe::compiler::emitAttentionParts(GpuBuilder &k, ir::AttentionOp op,
                                                   Value position) {
  AttentionParts result;
  result.firstSplit = k.div(emitOldest(k, op, position), AttentionSplit);
  result.splits = k.add(k.div(position, AttentionSplit), 1);
  result.splitsOfPart = k.ceilDiv(result.splits, k.constant(MostParts));
  result.firstPart = k.div(result.firstSplit, result.splitsOfPart);
  result.parts = k.ceilDiv(result.splits, result.splitsOfPart);
  return result;
}

AttentionMerge lathe::compiler::emitAttentionMerge(GpuBuilder &k, Value before, Value part) {
  Value greatest = k.maxf(before, part);
  return {greatest, k.exp(k.subf(before, greatest)), k.exp(k.subf(part, greatest))};
}

Value AttentionMerge::sum(GpuBuilder &k, Value soFar, Value own) const {
  return k.fma(soFar, before, k.mulf(own, part));
}

/// Zeros have no sign: which zeros were added on the way depends on the rows beside.
Value lathe::compiler::emitWeightedMean(GpuBuilder &k, Value total, Value sum) {
  return k.addf(k.divf(total, sum), k.floatConstant(0.0f));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

PartMemory::PartMemory(GpuContext &context, ir::AttentionOp op, Value result, int64_t heads,
                       int64_t queries)
    : c(context), k(context.k), op(op), result(result), heads(heads), queries(queries),
      dim(op.getCache().getType().getHeadDim()) {}

Value PartMemory::emitMost() {
  auto body = [&](Value row, ValueRange carried) -> SmallVector<Value> {
    Value position = c.rowField(GpuContext::Field::Position, row);
    return {k.max(carried[0], emitAttentionParts(k, op, position).parts)};
  };
  return k.forLoop(k.constant(0), c.rowCount(), 1, {k.constant(1)}, body)[0];
}

Value PartMemory::sums(Value tile, Value part) {
  int64_t partBytes = queries * (dim * 4 + StateBytes);
  Value memory = c.scratch(c.maxRows() * heads * MostParts * partBytes);
  return k.at(memory, k.mul(k.add(k.mul(tile, MostParts), part), partBytes));
}

Value PartMemory::state(Value sums, Value query) {
  return k.at(k.at(sums, queries * dim * 4), k.mul(query, StateBytes));
}

Value PartMemory::output(Value tile) {
  Value row = c.rowPointer(result, {k.div(tile, heads), k.constant(0)});
  return k.at(row, k.mul(k.rem(tile, heads), queries * dim * 4));
}

/// An element for each thread.
void PartMemory::emitTile(Value tile) {
  auto load = [&](Value pointer) { return k.loadWide(k.f32(), pointer, 4); };
  Value position = c.rowField(GpuContext::Field::Position, k.div(tile, heads));
  AttentionParts parts = emitAttentionParts(k, op, position);
  c.forThreads(k.constant(queries * dim), [&](Value place) {
    Value query = k.div(place, dim);
    SmallVector<Value> start{k.floatConstant(UnseenScore), k.floatConstant(0.0f),
                             k.floatConstant(0.0f)};
    auto add = [&](Value part, ValueRange before) -> SmallVector<Value> {
      Value memory = sums(tile, part), own = state(memory, query);
      AttentionMerge merge = emitAttentionMerge(k, before[0], load(k.at(own, Greatest)));
      return {merge.greatest, merge.sum(k, before[1], load(k.at(own, Sum))),
              merge.sum(k, before[2], load(k.at(memory, k.mul(place, 4))))};
    };
    SmallVector<Value> all = k.forLoop(parts.firstPart, parts.parts, 1, start, add);
    k.storeWide(emitWeightedMean(k, all[2], all[1]), k.at(output(tile), k.mul(place, 4)), 4);
  });
}

void PartMemory::emitMerged(Value most) {
  // All blocks know as much of the positions, and so all meet.
  k.ifThen(k.less(k.constant(1), most), [&] {
    c.gridBarrier();
    c.forBlocks(k.constant(0), k.mul(c.rowCount(), heads), [&](Value tile) { emitTile(tile); });
  });
}
