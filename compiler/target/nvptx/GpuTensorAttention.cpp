//===- GpuTensorAttention.cpp - Attention on tensor cores ------------------===//
//
// A block takes neighbouring rows of one sequence with all queries of a key/value head
// (GpuAttentionTile.cpp).  Rows are cut into windows; in each, every row that another
// sequence stands ahead of begins a run of its own.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/nvptx/GpuTensorAttention.h"

#include "compiler/target/nvptx/GpuAttentionTile.h"

#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

class TensorAttention {
public:
  TensorAttention(GpuContext &context, ir::AttentionOp op, Value result)
      : c(context), k(context.k), op(op), shape(op, context.maxRows()), memory(context, shape),
        parts(context, op, result, shape.groups, shape.queries),
        least(llvm::divideCeil(shape.queries, TileQueries)) {}

  void emit();

private:
  Value chooseWindow();
  void emitRow(Value item, Value part, Value isOnlyPart);
  void emitRun(AttentionRun run, Value end);
  void findRows(AttentionRun &run, Value end);
  void findTurns(AttentionRun &run);
  std::pair<Value, Value> emitTurns(Value row, Value part);

  bool isShared() { return c.maxRows() <= MostSplitRows; }
  Value leastOf(Value x) {
    return k.widen(k.warpReduce(k.narrow(x), [&](Value a, Value b) { return k.min(a, b); }));
  }
  int64_t mostRows() { return std::min(shape.rowsOf(shape.tiles), c.maxRows()); }

  GpuContext &c;
  GpuBuilder &k;
  ir::AttentionOp op;
  const AttentionShape shape;
  const AttentionMemory memory;
  PartMemory parts;
  const int64_t least; ///< Tiles of 16 queries that a row takes.
  Value window, windows;
};

} // namespace

/// Rows of a window: as many as a block can take, or fewer where that leaves blocks without
/// work.
Value TensorAttention::chooseWindow() {
  int64_t few = shape.rowsOf(least);
  if (isShared() || few >= mostRows())
    return k.constant(mostRows());
  Value runs = k.mul(k.ceilDiv(c.rowCount(), k.constant(few)), shape.groups);
  return k.select(k.less(c.blocks, runs), k.constant(mostRows()), k.constant(few));
}

void TensorAttention::emit() {
  window = chooseWindow();
  windows = k.ceilDiv(c.rowCount(), window);
  Value items = k.mul(k.mul(windows, window), shape.groups);
  if (!isShared()) {
    c.forBlocks(k.constant(0), items, [&](Value item) { emitRow(item, {}, {}); });
    return;
  }
  Value most = parts.emitMost(), isOnlyPart = k.equal(most, k.constant(1));
  c.forBlocks(k.constant(0), k.mul(items, most),
              [&](Value item) { emitRow(k.div(item, most), k.remainder(item, most), isOnlyPart); });
  parts.emitMerged(most);
}

/// What an item of a block stands for: the first row of each window ahead of the second ones,
/// because most runs begin there.
void TensorAttention::emitRow(Value item, Value part, Value isOnlyPart) {
  Value rest = k.div(item, shape.groups), first = k.mul(k.remainder(rest, windows), window);
  AttentionRun run;
  run.group = k.rem(item, shape.groups);
  run.row = k.add(first, k.div(rest, windows));
  run.part = part;
  run.isOnlyPart = isOnlyPart;
  Value end = k.min(k.add(first, window), c.rowCount());
  k.ifThen(k.less(run.row, end), [&] {
    run.sequence = c.rowField(GpuContext::Field::Sequence, run.row);
    Value before = k.max(k.add(run.row, -1), k.constant(0));
    Value same = k.equal(c.rowField(GpuContext::Field::Sequence, before), run.sequence);
    Value follows = k.both(same, k.less(first, run.row));
    k.ifThenElse(follows, [] {}, [&] { emitRun(run, end); });
  });
}

/// Rows from the run's first on, up to `end`, that are of the same sequence.
void TensorAttention::findRows(AttentionRun &run, Value end) {
  run.rows = k.sub(end, run.row);
  if (mostRows() == 1)
    return;
  Value last = k.add(end, -1), count = run.rows;
  for (int64_t first = 0; first < mostRows(); first += WarpThreads) {
    Value offset = k.add(c.lane, first), row = k.min(k.add(run.row, offset), last);
    Value same = k.equal(c.rowField(GpuContext::Field::Sequence, row), run.sequence);
    count = k.min(count, k.select(same, run.rows, offset));
  }
  run.rows = leastOf(count);
}

/// The first turn in which a row sees something, and one past the last; of a part that the row
/// does not have, the greatest number and 0.
std::pair<Value, Value> TensorAttention::emitTurns(Value row, Value part) {
  Value position = c.rowField(GpuContext::Field::Position, row);
  AttentionSplits own = emitRunSplits(k, op, position, part);
  Value low = k.max(k.mul(own.begin, shape.splitTurns),
                    k.div(emitOldest(k, op, position), shape.positions));
  Value high = k.min(k.mul(own.end, shape.splitTurns), k.add(k.div(position, shape.positions), 1));
  Value isThere = k.less(own.begin, own.end);
  return {k.select(isThere, low, k.constant(std::numeric_limits<int32_t>::max())),
          k.select(isThere, high, k.constant(0))};
}

void TensorAttention::findTurns(AttentionRun &run) {
  std::tie(run.low, run.high) = emitTurns(run.row, run.part);
  if (mostRows() == 1)
    return;
  Value last = k.add(run.rows, -1), negated = k.sub(k.constant(0), run.high);
  for (int64_t first = 0; first < mostRows(); first += WarpThreads) {
    auto [low, high] = emitTurns(k.add(run.row, k.min(k.add(c.lane, first), last)), run.part);
    run.low = k.min(run.low, low);
    negated = k.min(negated, k.sub(k.constant(0), high));
  }
  run.low = leastOf(run.low);
  run.high = k.sub(k.constant(0), leastOf(negated));
}

void TensorAttention::emitRun(AttentionRun run, Value end) {
  findRows(run, end);
  findTurns(run);
  auto emitTiles = [&](int64_t tiles) {
    emitAttentionTile(c, op, shape, memory, parts, run, tiles);
  };
  k.ifThen(k.less(run.low, run.high), [&] {
    if (isShared() || least == shape.tiles)
      return emitTiles(shape.tiles);
    // Runs of few rows are those of steps of many sequences.
    Value queries = k.mul(run.rows, shape.queries);
    k.ifThenElse(
        k.less(queries, k.constant(least * TileQueries + 1)), [&] { emitTiles(least); },
        [&] { emitTiles(shape.tiles); });
  });
}

bool lathe::compiler::hasTensorAttention(ir::KVType type) {
  constexpr int64_t widest = 256;
  Type element = type.getElementType();
  return (element.isF16() || element.isBF16()) && type.getHeadDim() % ProductDepth == 0 &&
         type.getHeadDim() <= widest;
}

LogicalResult lathe::compiler::emitTensorAttention(GpuContext &c, ir::AttentionOp op,
                                                   Value result) {
  TensorAttention(c, op, result).emit();
  return success();
}
