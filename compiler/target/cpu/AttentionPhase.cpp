//===- AttentionPhase.cpp - Attention over the KV cache --------------------===//
//
// Positions are taken in splits at fixed absolute places, every 256 positions.
// Each split gives a partial result with a maximum and a sum of its own (flash
// attention, Dao et al., 2022), and partials are combined in the order of
// positions, so that the order of every sum depends on the positions alone: not
// on the rows beside, the chunk, or the workers.  Positions that a row may not
// see add exact zeros.
//
// With many rows a tile is one key/value head and a block of rows, and takes one
// split after the other.  With one row a tile is one head and one split; all
// workers meet when all partials are there, if there are more than one of a head.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/PhaseParts.h"
#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/VectorMath.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

constexpr int64_t Split = AttentionSplit;
/// Score of a position that is not seen.
constexpr float Unseen = -1.0e30f;
/// Byte offsets in the state and in a partial result of a query.
enum Field : int64_t { Maximum = 0, Sum = 4, Mix = 64 };

/// Query heads that share a key/value head.
int64_t groupOf(ir::AttentionOp attention) {
  return cast<RankedTensorType>(attention.getQuery().getType()).getDimSize(1) /
         attention.getCache().getType().getHeads();
}

/// Rows of a tile in an entry of `maxRows` rows: their queries fit into registers.
int64_t rowsPerTile(int64_t maxRows, int64_t group) {
  return std::max<int64_t>(1, std::min(maxRows, 6 / group));
}

class AttentionPhase {
public:
  AttentionPhase(PhaseContext &context, ir::AttentionOp attention, Value result)
      : c(context), k(context.k), op(attention), result(result),
        type(attention.getCache().getType()), dim(type.getHeadDim()), group(groupOf(attention)),
        lanes(commonLanes({dim})), partialBytes(attentionPartialBytes(attention)) {}

  void emit();

private:
  void emitManyRows();
  void emitOneRow();
  void emitTile(Value tile);
  void emitRows(Value head, Value firstRow, int64_t rows);
  void setQueries(Value head, Value firstRow, int64_t rows);
  Value emitFirstSplit();
  void emitClearState();
  void emitSplit(Value head, Value split, Value partial, const KVAhead &ahead = {});
  KVAhead keysAhead(Value tile, Value firstSplit);
  void emitScores(Value base, Value blocks, const KVPointers &cache);
  void emitSoftmax(Value blocks, Value partial);
  void emitCombine(Value partial);
  void emitResult(Value head, Value firstRow);
  Value seen(Value firstPosition, int64_t query);

  /// Vectors of keys or values that are taken at a time, 1, 2 or 4: few queries leave
  /// registers, many sums hide the latency of an fma, and a query that is loaded meets
  /// them all.
  int64_t passWidth() const {
    int64_t sums = c.target.vectorBits == 512 ? c.target.registers * 3 / 4 : 0;
    int64_t most = std::clamp<int64_t>(sums / static_cast<int64_t>(queries.size()), 1, 4);
    return llvm::bit_floor(static_cast<uint64_t>(most));
  }
  Value scoreRow(int64_t query) { return k.at(scores, query * Split * 4); }
  Value ofQuery(Value base, int64_t query) { return k.at(base, query * partialBytes); }

  PhaseContext &c;
  KernelBuilder &k;
  ir::AttentionOp op;
  Value result;
  ir::KVType type;
  int64_t dim, group, lanes;
  int64_t partialBytes; ///< Of one query: fields, then f32 [dim].
  Value scores;         ///< f32 [queries][Split]
  Value state;          ///< Per query what all splits so far gave.
  Value ownPartial;     ///< Per query what one split gave, with many rows.
  std::unique_ptr<KVReader> reader;
  /// The queries of the current block: (row, head in group).
  SmallVector<Value> queries;   ///< Pointers to [dim] f32.
  SmallVector<Value> positions; ///< i32, of the query's row.
  Value first, last, sequence;  ///< Positions and sequence of the rows.
};

} // namespace

//===----------------------------------------------------------------------===//
// What all tiles share, however many queries they have
//===----------------------------------------------------------------------===//

/// Of a number of queries, whose scores and partial results follow each other.
static void emitSoftmaxOf(KernelBuilder &k, ValueRange arguments) {
  Value scores = arguments[0], partial = arguments[1], queries = arguments[2],
        scoreBytes = arguments[3], partialBytes = arguments[4];
  VectorType floats = k.vec(k.f32());
  Value zero = k.constant(0);
  k.forLoop(zero, queries, 1, [&](Value query) {
    Value row = k.at(scores, k.mul(query, Split * 4));
    Value own = k.at(partial, k.mul(query, partialBytes));
    Value greatest = k.forLoop(zero, scoreBytes, Lanes * 4, {k.splat(Unseen)},
                               [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                                 return {k.maxf(k.load(floats, k.at(row, offset)), carried[0])};
                               })[0];
    // Where nothing is seen, what is not seen must not be the greatest.
    Value maximum = k.reduceMax(greatest);
    Value peak = k.broadcast(k.maxf(maximum, k.floatConstant(0.5f * Unseen)));
    Value sum = k.forLoop(zero, scoreBytes, Lanes * 4, {k.splat(0.0f)},
                          [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                            Value score = k.load(floats, k.at(row, offset));
                            Value weight = emitExpOfNegative(k, k.subf(score, peak));
                            k.store(weight, k.at(row, offset));
                            return {k.addf(carried[0], weight)};
                          })[0];
    k.store(maximum, k.at(own, Maximum));
    k.store(k.reduceAdd(sum), k.at(own, Sum));
  });
}

/// Of `bytes` bytes of partial results.  Both they and the state are scaled to the
/// greater of the two maxima; a split that nothing is seen of changes no bit.
static void emitCombineOf(KernelBuilder &k, int64_t lanes, ValueRange arguments) {
  Value state = arguments[0], partial = arguments[1], bytes = arguments[2],
        partialBytes = arguments[3], mixEnd = arguments[4];
  VectorType floats = k.vec(k.f32(), lanes);
  k.forLoop(k.constant(0), bytes, partialBytes, [&](Value at) {
    Value own = k.at(state, at), added = k.at(partial, at);
    Value before = k.load(k.f32(), k.at(own, Maximum)), now = k.load(k.f32(), k.at(added, Maximum));
    Value maximum = k.maxf(before, now);
    Value keep = k.extract(emitExp(k, k.broadcast(k.subf(before, maximum), lanes)), 0);
    Value take = k.extract(emitExp(k, k.broadcast(k.subf(now, maximum), lanes)), 0);
    Value taken = k.mulf(k.load(k.f32(), k.at(added, Sum)), take);
    k.store(k.fma(k.load(k.f32(), k.at(own, Sum)), keep, taken), k.at(own, Sum));
    k.store(maximum, k.at(own, Maximum));
    Value keeps = k.broadcast(keep, lanes), takes = k.broadcast(take, lanes);
    k.forLoop(k.constant(Mix), mixEnd, lanes * 4, [&](Value offset) {
      Value taken = k.mulf(k.load(floats, k.at(added, offset)), takes);
      k.store(k.fma(k.load(floats, k.at(own, offset)), keeps, taken), k.at(own, offset));
    });
  });
}

void AttentionPhase::emit() {
  int64_t most = rowsPerTile(c.maxRows(), group) * group;
  scores = c.allocateScratch(most * Split * 4);
  state = c.allocateScratch(most * partialBytes);
  reader = getKVFormat(type).createReader(c, op, most);
  if (c.maxRows() == 1)
    return emitOneRow();
  ownPartial = c.allocateScratch(most * partialBytes);
  emitManyRows();
}

void AttentionPhase::emitManyRows() {
  Value blocks = k.ceilDiv(c.rowCount(), k.constant(rowsPerTile(c.maxRows(), group)));
  Value tiles = k.mul(blocks, type.getHeads());
  c.forClaimed(tiles, [&](Value tile) { emitTile(tile); });
}

void AttentionPhase::emitOneRow() {
  Value row = k.constant(0), heads = k.constant(type.getHeads());
  setQueries(k.constant(0), row, 1);
  Value firstSplit = emitFirstSplit(), splits = k.sub(k.add(k.div(last, Split), 1), firstSplit);
  auto partialOf = [&](Value head, Value split) {
    Value index = k.add(k.mul(split, type.getHeads()), head);
    return k.at(emitPartials(c, type, sequence), k.mul(index, group * partialBytes));
  };
  k.forLoop(c.worker, k.mul(splits, type.getHeads()), c.workers, [&](Value tile) {
    Value head = k.rem(tile, type.getHeads());
    Value split = k.add(firstSplit, k.div(tile, type.getHeads()));
    setQueries(head, row, 1);
    reader->prepareQueries(queries);
    emitSplit(head, split, partialOf(head, split), keysAhead(k.add(tile, c.workers), firstSplit));
  });
  // The only split of a head is combined by the worker who computed it.
  k.ifThen(k.less(k.constant(1), splits), [&] { c.emitBarrier(); });
  k.forLoop(c.worker, heads, c.workers, [&](Value head) {
    setQueries(head, row, 1);
    emitClearState();
    k.forLoop(firstSplit, k.add(firstSplit, splits), 1,
              [&](Value split) { emitCombine(partialOf(head, split)); });
    emitResult(head, row);
  });
}

void AttentionPhase::emitTile(Value tile) {
  int64_t rows = rowsPerTile(c.maxRows(), group);
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

/// The keys of a tile of one row, which may be past the last.
KVAhead AttentionPhase::keysAhead(Value tile, Value firstSplit) {
  Value head = k.rem(tile, type.getHeads());
  Value split = k.add(firstSplit, k.div(tile, type.getHeads()));
  Value count = k.min(k.add(k.sub(last, k.mul(split, Split)), 1), k.constant(Split));
  int64_t blockBytes = getKVFormat(type).splitBytes(type) / (Split / Lanes);
  Value bytes = k.mul(k.ceilDiv(k.max(count, k.constant(1)), k.constant(Lanes)), blockBytes);
  return {emitKVPointers(c, type, c.layer, sequence, head, split).keys,
          k.sub(bytes, k.constant(1))};
}

/// Makes the queries of one head for some rows of one sequence the current ones.
void AttentionPhase::setQueries(Value head, Value firstRow, int64_t rows) {
  queries.clear();
  positions.clear();
  first = last = Value();
  sequence = c.rowField(c.args.sequence, firstRow);
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
}

/// The first split that any of the rows may see.
Value AttentionPhase::emitFirstSplit() {
  std::optional<uint64_t> window = op.getWindow();
  if (!window)
    return k.constant(0);
  return k.div(k.max(k.sub(first, k.constant(*window - 1)), k.constant(0)), Split);
}

void AttentionPhase::emitClearState() {
  for (size_t query = 0; query < queries.size(); ++query) {
    Value own = ofQuery(state, query);
    k.store(k.floatConstant(Unseen), k.at(own, Maximum));
    k.store(k.floatConstant(0.0f), k.at(own, Sum));
    k.forLoop(k.constant(Mix), k.constant(Mix + dim * 4), lanes * 4,
              [&](Value offset) { k.store(k.splat(0.0f, lanes), k.at(own, offset)); });
  }
}

void AttentionPhase::emitRows(Value head, Value firstRow, int64_t rows) {
  setQueries(head, firstRow, rows);
  reader->prepareQueries(queries);
  emitClearState();
  Value splits = k.add(k.div(last, Split), 1);
  k.forLoop(emitFirstSplit(), splits, 1, [&](Value split) {
    emitSplit(head, split, ownPartial);
    emitCombine(ownPartial);
  });
  emitResult(head, firstRow);
}

void AttentionPhase::emitSplit(Value head, Value split, Value partial, const KVAhead &ahead) {
  KVPointers cache = emitKVPointers(c, type, c.layer, sequence, head, split);
  Value base = k.mul(split, Split);
  Value count = k.min(k.add(k.sub(last, base), 1), k.constant(Split));
  // Whole blocks: what lies past the last position is not seen.
  Value blocks = k.ceilDiv(count, k.constant(Lanes));
  emitScores(base, blocks, cache);
  emitSoftmax(blocks, partial);
  reader->prepareWeights(scores, queries.size(), cache, blocks);
  reader->emitMix(scores, queries.size(), cache, blocks, passWidth(), k.at(partial, Mix),
                  partialBytes, ahead);
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

void AttentionPhase::emitScores(Value base, Value blocks, const KVPointers &cache) {
  int64_t width = passWidth();
  // A split is a number of whole passes, however many of its blocks are wanted.
  k.forLoop(k.constant(0), blocks, width, [&](Value block) {
    Value first = k.add(base, k.mul(block, Lanes));
    Value scale = k.splat(op.getScale().convertToFloat());
    for (auto [index, sum] : llvm::enumerate(reader->emitProducts(queries, cache, block, width))) {
      int64_t query = index / width, own = index % width;
      Value visible = seen(k.add(first, own * Lanes), query);
      Value score = k.select(visible, k.mulf(sum, scale), k.splat(Unseen));
      k.store(score, k.at(k.at(scoreRow(query), own * Lanes * 4), k.mul(block, Lanes * 4)));
    }
  });
}

/// Scores become weights; their maximum and sum go to the partial results.
void AttentionPhase::emitSoftmax(Value blocks, Value partial) {
  Value arguments[] = {scores, partial, k.constant(queries.size()), k.mul(blocks, Lanes * 4),
                       k.constant(partialBytes)};
  c.callShared("attention.softmax", arguments, emitSoftmaxOf);
}

/// Adds the partial results of one split to the state.
void AttentionPhase::emitCombine(Value partial) {
  Value arguments[] = {state, partial, k.constant(queries.size() * partialBytes),
                       k.constant(partialBytes), k.constant(Mix + dim * 4)};
  c.callShared("attention.combine." + std::to_string(lanes), arguments,
               [&](KernelBuilder &inside, ValueRange own) { emitCombineOf(inside, lanes, own); });
}

void AttentionPhase::emitResult(Value head, Value firstRow) {
  VectorType floats = k.vec(k.f32(), lanes);
  for (size_t query = 0; query < queries.size(); ++query) {
    Value row = k.add(firstRow, query / group);
    Value to = k.at(c.rowPointer(result, row, c.maxRows()), k.mul(head, group * dim * 4));
    to = k.at(to, (query % group) * dim * 4);
    Value own = ofQuery(state, query), sum = k.loadSplat(k.at(own, Sum), lanes);
    k.forLoop(k.constant(0), k.constant(dim * 4), lanes * 4, [&](Value offset) {
      Value mixed = k.load(floats, k.at(k.at(own, Mix), offset));
      k.store(k.divf(mixed, sum), k.at(to, offset));
    });
  }
}

/// A single row is also divided by splits of positions.
static PhaseTiles divideHeads(step::PhaseOp phase, const CpuTarget &, int64_t rows, int64_t depth,
                              int64_t workers) {
  ir::AttentionOp attention = findAttention(phase).first;
  ir::KVType cache = attention.getCache().getType();
  int64_t most = phase->getParentOfType<step::ProgramOp>().getMaxRows();
  int64_t each = rowsPerTile(most, groupOf(attention)), blocks = (rows + each - 1) / each;
  if (most == 1) {
    int64_t window = static_cast<int64_t>(attention.getWindow().value_or(depth + 1));
    blocks = depth / Split - std::max<int64_t>(0, depth + 1 - window) / Split + 1;
  }
  int64_t count = blocks * cache.getHeads(), share = (count + workers - 1) / workers;
  return {{{{}, cache.getHeadDim() * groupOf(attention), each, count}},
          static_cast<double>(share) / count};
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
    divideHeads,
});
