//===- AttentionPhase.cpp - Attention over the KV cache --------------------===//
//
// One tile is one key/value head and a block of rows.  Positions are taken in
// splits at fixed absolute places (every 256 positions) with a running maximum
// and sum (flash attention, Dao et al., 2022), so that the order of every sum
// depends on the positions alone: not on the rows beside, the chunk, or the
// workers.  Positions that a row may not see add exact zeros.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/KVLayout.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/VectorMath.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Positions in a split; the cache's capacity is a multiple of it.
constexpr int64_t Split = 256;
/// Score of a position that is not seen.
constexpr float Unseen = -1.0e30f;
/// Byte offsets in the state of a query.
enum StateField : int64_t { Maximum = 0, Sum = 4, Rescale = 8, StateBytes = 16 };

class AttentionPhase {
public:
  AttentionPhase(PhaseContext &context, ir::AttentionOp attention, Value result)
      : c(context), k(context.k), op(attention), result(result),
        type(attention.getCache().getType()), dim(type.getHeadDim()),
        group(cast<RankedTensorType>(attention.getQuery().getType()).getDimSize(1) /
              type.getHeads()),
        bytes(type.getElementType().getIntOrFloatBitWidth() / 8), lanes(commonLanes({dim})) {}

  void emit();

private:
  void emitTile(Value tile);
  void emitRows(Value head, Value firstRow, int64_t rows);
  void emitSplit(Value split, const KVPointers &cache, Value last);
  void emitScores(Value split, Value blocks, Value keys);
  void emitSoftmax(Value blocks);
  void emitMix(Value split, Value blocks, Value values);
  void emitResult(Value head, Value firstRow);
  Value seen(Value firstPosition, int64_t query);

  int64_t rowsPerTile() const { return std::max<int64_t>(1, std::min(c.maxRows(), 6 / group)); }
  Value scoreRow(int64_t query) { return k.at(scores, query * Split * 4); }
  Value mixRow(int64_t query) { return k.at(mix, query * dim * 4); }
  Value stateOf(int64_t query, int64_t field) { return k.at(state, query * StateBytes + field); }

  PhaseContext &c;
  KernelBuilder &k;
  ir::AttentionOp op;
  Value result;
  ir::KVType type;
  int64_t dim, group, bytes, lanes;
  Value scores; ///< f32 [queries][Split]
  Value mix;    ///< f32 [queries][dim]: the weighted sum so far
  Value state;  ///< Per query: maximum and sum so far, factor of the last split
  /// The queries of the current block: (row, head in group).
  SmallVector<Value> queries;   ///< Pointers to [dim] f32.
  SmallVector<Value> positions; ///< i32, of the query's row.
};

} // namespace

void AttentionPhase::emit() {
  int64_t most = rowsPerTile() * group;
  scores = c.allocateScratch(most * Split * 4);
  mix = c.allocateScratch(most * dim * 4);
  state = c.allocateScratch(most * StateBytes);
  Value blocks = k.ceilDiv(c.rowCount(), k.constant(rowsPerTile()));
  // Later rows see more positions, so the workers take turns.
  Value tiles = k.mul(blocks, type.getHeads());
  auto loop = scf::ForOp::create(k.builder(), k.getLoc(), c.worker, tiles, c.workers);
  OpBuilder::InsertionGuard guard(k.builder());
  k.builder().setInsertionPointToStart(loop.getBody());
  emitTile(loop.getInductionVar());
}

void AttentionPhase::emitTile(Value tile) {
  int64_t rows = rowsPerTile();
  Value head = k.rem(tile, type.getHeads());
  Value firstRow = k.mul(k.div(tile, type.getHeads()), rows);
  if (rows == 1)
    return emitRows(head, firstRow, 1);
  // Rows of one sequence share what they read.
  Value end = k.add(firstRow, rows);
  Value lastRow = k.sub(k.min(end, c.rowCount()), k.constant(1));
  Value whole =
      arith::CmpIOp::create(k.builder(), k.getLoc(), arith::CmpIPredicate::sle, end, c.rowCount());
  Value same = k.equal(c.rowField(c.args.sequence, firstRow), c.rowField(c.args.sequence, lastRow));
  for (int64_t row = 1; row + 1 < rows; ++row) {
    Value middle = c.rowField(c.args.sequence, k.min(k.add(firstRow, row), lastRow));
    same = arith::AndIOp::create(k.builder(), k.getLoc(), same,
                                 k.equal(middle, c.rowField(c.args.sequence, firstRow)));
  }
  Value together = arith::AndIOp::create(k.builder(), k.getLoc(), whole, same);
  k.ifThenElse(
      together, [&] { emitRows(head, firstRow, rows); },
      [&] {
        k.forLoop(firstRow, k.add(lastRow, 1), 1, [&](Value row) { emitRows(head, row, 1); });
      });
}

void AttentionPhase::emitRows(Value head, Value firstRow, int64_t rows) {
  queries.clear();
  positions.clear();
  Value last, sequence = c.rowField(c.args.sequence, firstRow), first;
  for (int64_t row = 0; row < rows; ++row) {
    Value index = k.add(firstRow, row);
    Value position = c.rowField(c.args.position, index);
    last = last ? k.max(last, position) : position;
    first = first ? k.min(first, position) : position;
    Value narrow = arith::TruncIOp::create(k.builder(), k.getLoc(), k.i32(), position);
    Value query =
        k.at(c.rowPointer(op.getQuery(), index, c.maxRows()), k.mul(head, group * dim * 4));
    for (int64_t member = 0; member < group; ++member) {
      queries.push_back(k.at(query, member * dim * 4));
      positions.push_back(narrow);
    }
  }
  for (int64_t query = 0; query < rows * group; ++query) {
    k.store(k.floatConstant(Unseen), stateOf(query, Maximum));
    k.store(k.floatConstant(0.0f), stateOf(query, Sum));
    k.forLoop(k.constant(0), k.constant(dim * 4), lanes * 4,
              [&](Value offset) { k.store(k.splat(0.0f, lanes), k.at(mixRow(query), offset)); });
  }
  KVPointers cache = emitKVPointers(c, type, c.layer, sequence, head);
  Value firstSplit = k.constant(0);
  if (std::optional<uint64_t> window = op.getWindow())
    firstSplit = k.div(k.max(k.sub(first, k.constant(*window - 1)), k.constant(0)), Split);
  Value splits = k.add(k.div(last, Split), 1);
  k.forLoop(firstSplit, splits, 1, [&](Value split) { emitSplit(split, cache, last); });
  emitResult(head, firstRow);
}

void AttentionPhase::emitSplit(Value split, const KVPointers &cache, Value last) {
  Value base = k.mul(split, Split);
  Value count = k.min(k.add(k.sub(last, base), 1), k.constant(Split));
  Value blocks = k.ceilDiv(count, k.constant(Lanes));
  emitScores(base, blocks, cache.keys);
  emitSoftmax(blocks);
  emitMix(base, blocks, cache.values);
}

/// Which of 16 positions from `firstPosition` on the query may see.
Value AttentionPhase::seen(Value firstPosition, int64_t query) {
  OpBuilder &b = k.builder();
  SmallVector<int32_t> lane = llvm::to_vector(llvm::seq<int32_t>(0, Lanes));
  Value index = arith::ConstantOp::create(b, k.getLoc(),
                                          DenseElementsAttr::get(k.vec(k.i32()), ArrayRef(lane)));
  Value first = arith::TruncIOp::create(b, k.getLoc(), k.i32(), firstPosition);
  Value position = k.add(index, k.broadcast(first)), own = k.broadcast(positions[query]);
  Value past = arith::CmpIOp::create(b, k.getLoc(), arith::CmpIPredicate::sle, position, own);
  std::optional<uint64_t> window = op.getWindow();
  if (!window)
    return past;
  Value oldest = k.sub(own, k.splatInt(k.i32(), *window));
  Value recent = arith::CmpIOp::create(b, k.getLoc(), arith::CmpIPredicate::sgt, position, oldest);
  return arith::AndIOp::create(b, k.getLoc(), past, recent);
}

void AttentionPhase::emitScores(Value base, Value blocks, Value keys) {
  k.forLoop(k.constant(0), blocks, 1, [&](Value block) {
    Value first = k.add(base, k.mul(block, Lanes));
    Value from = k.at(keys, k.mul(first, dim * bytes));
    SmallVector<Value> sums(queries.size(), k.splat(0.0f));
    sums =
        k.forLoop(k.constant(0), k.constant(dim), 1, sums, [&](Value element, ValueRange carried) {
          Value key = k.extend(
              k.load(k.vec(type.getElementType()), k.at(from, k.mul(element, Lanes * bytes))));
          Value offset = k.mul(element, 4);
          SmallVector<Value> next;
          for (auto [query, sum] : llvm::zip(queries, carried))
            next.push_back(k.fma(key, k.loadSplat(k.at(query, offset)), sum));
          return next;
        });
    Value scale = k.splat(op.getScale().convertToFloat());
    for (auto [query, sum] : llvm::enumerate(sums)) {
      Value score = k.select(seen(first, query), k.mulf(sum, scale), k.splat(Unseen));
      k.store(score, k.at(scoreRow(query), k.mul(block, Lanes * 4)));
    }
  });
}

/// Scores become weights; the factor for what was summed before is kept in the
/// state of each query.
void AttentionPhase::emitSoftmax(Value blocks) {
  VectorType floats = k.vec(k.f32());
  Value scoreBytes = k.mul(blocks, Lanes * 4), zero = k.constant(0);
  k.forLoop(zero, k.constant(queries.size()), 1, [&](Value query) {
    Value row = k.at(scores, k.mul(query, Split * 4)), own = k.at(state, k.mul(query, StateBytes));
    Value greatest = k.forLoop(zero, scoreBytes, Lanes * 4, {k.splat(Unseen)},
                               [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                                 return {k.maxf(k.load(floats, k.at(row, offset)), carried[0])};
                               })[0];
    Value before = k.load(k.f32(), k.at(own, Maximum));
    Value maximum = k.maxf(before, k.reduceMax(greatest));
    Value factor = k.extract(emitExp(k, k.broadcast(k.subf(before, maximum))), 0);
    Value peak = k.broadcast(maximum);
    Value sum = k.forLoop(zero, scoreBytes, Lanes * 4, {k.splat(0.0f)},
                          [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                            Value score = k.load(floats, k.at(row, offset));
                            Value weight = emitExp(k, k.subf(score, peak));
                            Value hidden =
                                k.compare(arith::CmpFPredicate::OLE, score, k.splat(0.5f * Unseen));
                            weight = k.select(hidden, k.splat(0.0f), weight);
                            k.store(weight, k.at(row, offset));
                            return {k.addf(carried[0], weight)};
                          })[0];
    Value total = k.fma(k.load(k.f32(), k.at(own, Sum)), factor, k.reduceAdd(sum));
    k.store(maximum, k.at(own, Maximum));
    k.store(total, k.at(own, Sum));
    k.store(factor, k.at(own, Rescale));
  });
}

void AttentionPhase::emitMix(Value base, Value blocks, Value values) {
  Value from = k.at(values, k.mul(base, dim * bytes)), count = k.mul(blocks, Lanes);
  VectorType floats = k.vec(k.f32(), lanes);
  k.forLoop(k.constant(0), k.constant(dim), lanes, [&](Value element) {
    SmallVector<Value> sums;
    for (size_t query = 0; query < queries.size(); ++query)
      sums.push_back(k.mulf(k.load(floats, k.at(mixRow(query), k.mul(element, 4))),
                            k.loadSplat(stateOf(query, Rescale), lanes)));
    Value column = k.at(from, k.mul(element, bytes));
    sums = k.forLoop(k.constant(0), count, 1, sums, [&](Value position, ValueRange carried) {
      Value narrow =
          k.load(k.vec(type.getElementType(), lanes), k.at(column, k.mul(position, dim * bytes)));
      Value value = k.extend(narrow), offset = k.mul(position, 4);
      SmallVector<Value> next;
      for (auto [query, sum] : llvm::enumerate(carried))
        next.push_back(k.fma(value, k.loadSplat(k.at(scoreRow(query), offset), lanes), sum));
      return next;
    });
    for (auto [query, sum] : llvm::enumerate(sums))
      k.store(sum, k.at(mixRow(query), k.mul(element, 4)));
  });
}

void AttentionPhase::emitResult(Value head, Value firstRow) {
  VectorType floats = k.vec(k.f32(), lanes);
  for (size_t query = 0; query < queries.size(); ++query) {
    Value row = k.add(firstRow, query / group);
    Value to = k.at(c.rowPointer(result, row, c.maxRows()), k.mul(head, group * dim * 4));
    to = k.at(to, (query % group) * dim * 4);
    Value sum = k.loadSplat(stateOf(query, Sum), lanes);
    k.forLoop(k.constant(0), k.constant(dim * 4), lanes * 4, [&](Value offset) {
      k.store(k.divf(k.load(floats, k.at(mixRow(query), offset)), sum), k.at(to, offset));
    });
  }
}

/// The attention of a phase and the value that is stored, which may be another
/// view of it; null when something else stands in the phase.
static std::pair<ir::AttentionOp, Value> findAttention(step::PhaseOp phase) {
  ir::AttentionOp attention;
  Value stored;
  for (Operation &op : phase.getBody().front()) {
    if (auto found = dyn_cast<ir::AttentionOp>(op))
      attention = found;
    else if (auto store = dyn_cast<step::StoreOp>(op))
      stored = store.getValue();
    else if (!isa<step::LoadOp, ir::MergeHeadsOp>(op))
      return {};
  }
  return {attention, stored};
}

static PhaseEmitterRegistration attention({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Heads && findAttention(phase).first;
    },
    [](PhaseContext &context) -> LogicalResult {
      auto [op, stored] = findAttention(context.phase);
      AttentionPhase(context, op, stored).emit();
      return success();
    },
});
