//===- GpuAttentionTile.cpp - Attention of some rows, by a block -----------===//
//
// As in Dao's FlashAttention (2022), by mma.sync: scores never leave the block.  It goes
// through turns of 64 or 128 positions.  In each a warp multiplies all queries with the keys
// of its positions; behind a barrier scores become weights, which go to shared memory; behind
// another one a warp multiplies all of them with its elements of the values.
//
// Queries and weights are the A of products, 16 queries at a time.  A query's sums depend on
// its own keys and values alone, in order of the positions, so it makes no difference which
// queries, and how many, stand beside it.  Positions that it does not see have the weight 0,
// and a turn without any that it sees leaves all as it is.
//
// A warp's keys and values come by cp.async into memory of its own: the next ones as soon as
// those before have been read, while the block is busy with the other half of a turn.  Which
// k of a fragment is which element, or position, is free where both operands agree, and chosen
// so that a lane reads neighbours.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/nvptx/GpuAttentionTile.h"

#include "compiler/target/cpu/VectorMath.h"
#include "compiler/target/nvptx/GpuAttentionCopies.h"
#include "compiler/target/nvptx/GpuAttentionState.h"
#include "compiler/target/nvptx/GpuElements.h"

#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

class AttentionTile {
public:
  AttentionTile(GpuContext &context, ir::AttentionOp op, const AttentionShape &shape,
                const AttentionMemory &memory, PartMemory &parts, const AttentionRun &run,
                int64_t tiles);
  void emit();

private:
  using Values = SmallVector<Value>;

  void prepareQueries();
  // A turn.
  Values emitTurn(Value turn, ValueRange before);
  Values emitScores();
  void emitGreatest(Value turn, MutableArrayRef<Value> scores);
  void emitWeights(ArrayRef<Value> scores);
  void tell(Value memory, ArrayRef<Value> numbers);
  Values emitMix(ValueRange before);
  Values addPositions(Value step, ValueRange before);
  Values mergeParts(ValueRange mixes, ValueRange merged, Value isLast);
  void storeQuery(Value query, ArrayRef<Value> elements);

  // Fragments: a lane has two neighbours of one query, and two of the query 8 behind.
  Value queryOf(int64_t tile, int64_t half) { return k.add(group, tile * TileQueries + 8 * half); }
  void forQueries(llvm::function_ref<void(int64_t tile, int64_t half)> body);
  Values ofQuery(ValueRange values, int64_t columns, int64_t tile, int64_t half);
  Values loadQueries(Value memory, int64_t stride, int64_t tile, int64_t words);
  GpuBuilder::Words multiply(ArrayRef<Value> a, ArrayRef<Value> b, ValueRange sums);
  Value narrowElements(Value x);
  void storeSplit(Value x, Value to, int64_t rest);
  Value foldMembers(Value x, GpuBuilder::Fold fold);
  int64_t lanePositions() const { return 2 * shape.keyTiles; }

  GpuContext &c;
  GpuBuilder &k;
  ir::AttentionOp op;
  const ir::KVType type;
  const AttentionShape &shape;
  const AttentionMemory &memory;
  PartMemory &parts;
  const AttentionRun &run;
  const int64_t tiles;
  AttentionState state;
  AttentionCopies copies;
  Value group, member; ///< Of the lane: four lanes of a group have the same queries.
};

} // namespace

AttentionTile::AttentionTile(GpuContext &context, ir::AttentionOp op, const AttentionShape &shape,
                             const AttentionMemory &memory, PartMemory &parts,
                             const AttentionRun &run, int64_t tiles)
    : c(context), k(context.k), op(op), type(op.getCache().getType()), shape(shape), memory(memory),
      parts(parts), run(run), tiles(tiles),
      state(context, op, shape, memory, run, tiles * TileQueries),
      copies(context, type, shape, memory, run), group(k.div(c.lane, 4)), member(k.rem(c.lane, 4)) {
}

//===----------------------------------------------------------------------===//
// Fragments
//===----------------------------------------------------------------------===//

void AttentionTile::forQueries(llvm::function_ref<void(int64_t tile, int64_t half)> body) {
  for (int64_t tile = 0; tile < tiles; ++tile)
    for (int64_t half : {0, 1})
      body(tile, half);
}

/// What a lane has of one query, of `columns` products beside each other: [column][2].
AttentionTile::Values AttentionTile::ofQuery(ValueRange values, int64_t columns, int64_t tile,
                                             int64_t half) {
  Values result;
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t i : {0, 1})
      result.push_back(values[4 * (tile * columns + column) + 2 * half + i]);
  return result;
}

/// `words` of both queries that the lane has of a tile, each with those of a k next to each
/// other: as products take them, [product][k half][query].
AttentionTile::Values AttentionTile::loadQueries(Value place, int64_t stride, int64_t tile,
                                                 int64_t words) {
  Values result, rows;
  for (int64_t half : {0, 1}) {
    Value row = k.at(place, k.mul(queryOf(tile, half), stride));
    row = k.at(row, k.mul(member, words * 4));
    rows.push_back(k.loadWide(k.vec(k.i32(), words), row, words * 4));
  }
  for (int64_t word = 0; word < words; ++word)
    for (Value row : rows)
      result.push_back(k.extract(row, word));
  return result;
}

GpuBuilder::Words AttentionTile::multiply(ArrayRef<Value> a, ArrayRef<Value> b, ValueRange sums) {
  return type.getElementType().isBF16() ? k.multiplyBF16(a, b, Values(sums))
                                        : k.multiplyF16(a, b, Values(sums));
}

/// Vectors of f32 as elements of the cache.
Value AttentionTile::narrowElements(Value x) {
  if (type.getElementType().isBF16())
    return emitRoundBF16(k, x);
  VectorType narrow = k.vec(type.getElementType(), cast<VectorType>(x.getType()).getNumElements());
  return arith::TruncFOp::create(k.builder(), k.getLoc(), narrow, x);
}

/// The nearest elements, and `rest` bytes behind those of what is left.
void AttentionTile::storeSplit(Value x, Value to, int64_t rest) {
  int64_t bytes = cast<VectorType>(x.getType()).getNumElements() * 2;
  Value near = narrowElements(x);
  k.storeWide(near, to, bytes);
  k.storeWide(narrowElements(k.subf(x, k.extend(near))), k.at(to, rest), bytes);
}

Value AttentionTile::foldMembers(Value x, GpuBuilder::Fold fold) {
  for (int64_t mask : {1, 2})
    x = fold(x, k.shuffleXor(x, mask));
  return x;
}

//===----------------------------------------------------------------------===//
// A turn
//===----------------------------------------------------------------------===//

/// Queries, times the scale of scores.  Those that are not there are of the last row again.
void AttentionTile::prepareQueries() {
  const int64_t pairs = shape.dim / 2;
  Value heads = k.mul(run.group, shape.queries * shape.dim * 4), last = k.add(run.rows, -1);
  c.forThreads(k.constant(tiles * TileQueries * pairs), [&](Value item) {
    Value query = k.div(item, pairs), pair = k.rem(item, pairs);
    Value row = k.add(run.row, k.min(k.div(query, shape.queries), last));
    Value from = k.at(c.rowPointer(op.getQuery(), {row, k.constant(0)}), heads);
    from = k.at(from, k.mul(k.rem(query, shape.queries), shape.dim * 4));
    Value x = k.loadWide(k.vec(k.f32(), 2), k.at(from, k.mul(pair, 8)), 8);
    x = k.mulf(x, k.splat(op.getScale().convertToFloat(), 2));
    if (type.getElementType().isF16())
      x = emitWithinF16(k, x);
    Value to = k.at(memory.query, k.mul(query, shape.queryStride()));
    storeSplit(x, k.at(to, k.mul(pair, 4)), shape.queryRest());
  });
}

/// Of the lane's positions, which are neighbours: column, then product.
AttentionTile::Values AttentionTile::emitScores() {
  const int64_t stepBytes = ProductDepth / 2 * shape.warpPositions * 4;
  Values places;
  for (int64_t half : {0, 1})
    places.push_back(copies.keyWords(k.add(k.mul(member, 2), half), k.mul(group, shape.keyTiles)));
  Values zeros(tiles * shape.keyTiles * 4, k.floatConstant(0.0f));
  auto body = [&](Value step, ValueRange before) -> Values {
    Values words, next;
    for (Value place : places)
      words.push_back(k.loadWide(k.vec(k.i32(), shape.keyTiles),
                                 k.at(place, k.mul(step, stepBytes)), shape.keyTiles * 4));
    Value query = k.at(memory.query, k.mul(step, ProductDepth * 2));
    for (int64_t tile = 0; tile < tiles; ++tile) {
      Values near = loadQueries(query, shape.queryStride(), tile, 2);
      Values rest = loadQueries(k.at(query, shape.queryRest()), shape.queryStride(), tile, 2);
      for (int64_t column = 0; column < shape.keyTiles; ++column) {
        Values b{k.extract(words[0], column), k.extract(words[1], column)};
        ValueRange sums = before.slice(4 * (tile * shape.keyTiles + column), 4);
        llvm::append_range(next, multiply(rest, b, multiply(near, b, sums)));
      }
    }
    return next;
  };
  return k.forLoop(k.constant(0), k.constant(shape.dim / ProductDepth), 1, zeros, body);
}

/// Takes out what queries do not see, and tells the greatest of the warp.
void AttentionTile::emitGreatest(Value turn, MutableArrayRef<Value> scores) {
  Value first = k.add(k.mul(c.warp, shape.warpPositions), k.mul(member, lanePositions()));
  first = k.narrow(k.add(k.mul(turn, shape.positions), first));
  Values told;
  forQueries([&](int64_t tile, int64_t half) {
    Value position = state.position(queryOf(tile, half)), greatest;
    for (int64_t i = 0; i < lanePositions(); ++i) {
      int64_t column = i / shape.keyTiles, product = i % shape.keyTiles;
      Value &score = scores[4 * (tile * shape.keyTiles + product) + 2 * half + column];
      Value own = k.add(first, k.integer(i));
      Value seen = k.less(own, k.add(position, k.integer(1)));
      if (std::optional<uint64_t> window = op.getWindow()) {
        auto span = std::min<int64_t>(*window, std::numeric_limits<int32_t>::max());
        seen = k.both(seen, k.less(k.sub(position, own), k.integer(span)));
      }
      score = k.select(seen, score, k.floatConstant(UnseenScore));
      greatest = greatest ? k.maxf(greatest, score) : score;
    }
    told.push_back(foldMembers(greatest, [&](Value a, Value b) { return k.maxf(a, b); }));
  });
  tell(memory.greatest, told);
}

/// A number of the warp for each of the lane's queries.
void AttentionTile::tell(Value memory, ArrayRef<Value> numbers) {
  k.ifThen(k.equal(member, k.constant(0)), [&] {
    forQueries([&](int64_t tile, int64_t half) {
      Value row = k.mul(queryOf(tile, half), AttentionState::WarpValuesBytes);
      k.storeWide(numbers[2 * tile + half], k.at(k.at(memory, row), k.mul(c.warp, 4)), 4);
    });
  });
}

void AttentionTile::emitWeights(ArrayRef<Value> scores) {
  Values told;
  Value first = k.add(k.mul(c.warp, shape.warpPositions), k.mul(member, lanePositions()));
  forQueries([&](int64_t tile, int64_t half) {
    Values own(lanePositions());
    for (auto [i, score] : llvm::enumerate(ofQuery(scores, shape.keyTiles, tile, half)))
      own[i % 2 * shape.keyTiles + i / 2] = score;
    VectorType type = k.vec(k.f32(), lanePositions());
    Value all = vector::FromElementsOp::create(k.builder(), k.getLoc(), type, own), sum;
    Value greatest = state.emitGreatest(queryOf(tile, half));
    Value weights = k.exp(k.subf(all, k.broadcast(greatest, lanePositions())));
    for (int64_t i = 0; i < lanePositions(); ++i)
      sum = sum ? k.addf(sum, k.extract(weights, i)) : k.extract(weights, i);
    told.push_back(foldMembers(sum, [&](Value a, Value b) { return k.addf(a, b); }));
    Value to = k.at(memory.weights, k.mul(queryOf(tile, half), shape.weightStride()));
    storeSplit(weights, k.at(to, k.mul(first, 2)), shape.weightRest());
  });
  tell(memory.sums, told);
}

/// Adds 32 positions: two products, one behind the other.
AttentionTile::Values AttentionTile::addPositions(Value step, ValueRange before) {
  constexpr int64_t pairs = ProductDepth;
  SmallVector<Values> columns;
  for (int64_t column = 0; column < shape.valueTiles; ++column) {
    Values &words = columns.emplace_back();
    for (int64_t i = 0; i < 4; ++i) {
      Value pair = k.add(k.add(k.mul(step, pairs), member), i * 4);
      words.push_back(k.loadWide(k.i32(), copies.valueWords(column, pair, group), 4));
    }
  }
  Values next;
  Value weights = k.at(memory.weights, k.mul(step, 2 * ProductDepth * 2));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Values near = loadQueries(weights, shape.weightStride(), tile, 4);
    Values rest = loadQueries(k.at(weights, shape.weightRest()), shape.weightStride(), tile, 4);
    for (auto [column, words] : llvm::enumerate(columns)) {
      Values sums(before.slice(4 * (tile * shape.valueTiles + column), 4));
      for (int64_t product : {0, 1})
        for (ArrayRef<Value> a : {ArrayRef(near), ArrayRef(rest)})
          sums = multiply(a.slice(4 * product, 4), ArrayRef(words).slice(2 * product, 2), sums);
      llvm::append_range(next, sums);
    }
  }
  return next;
}

AttentionTile::Values AttentionTile::emitMix(ValueRange before) {
  Values factors, scaled;
  forQueries([&](int64_t tile, int64_t half) {
    factors.push_back(state.get(queryOf(tile, half), AttentionState::Factor));
  });
  for (auto [index, mix] : llvm::enumerate(before)) {
    int64_t tile = index / (4 * shape.valueTiles), half = index % 4 / 2;
    scaled.push_back(k.mulf(mix, factors[2 * tile + half]));
  }
  return k.forLoop(k.constant(0), k.constant(shape.positions / (2 * ProductDepth)), 1, scaled,
                   [&](Value step, ValueRange carried) { return addPositions(step, carried); });
}

/// Where a part of some query ends, the parts before take it over.
AttentionTile::Values AttentionTile::mergeParts(ValueRange mixes, ValueRange merged, Value isLast) {
  auto merge = [&]() -> Values {
    SmallVector<AttentionMerge> factors;
    forQueries([&](int64_t tile, int64_t half) {
      Value query = queryOf(tile, half);
      factors.push_back(
          {{}, state.get(query, AttentionState::Before), state.get(query, AttentionState::Part)});
    });
    Values next;
    for (auto [index, mix] : llvm::enumerate(mixes)) {
      int64_t tile = index / (4 * shape.valueTiles), half = index % 4 / 2;
      next.push_back(factors[2 * tile + half].sum(k, merged[index], mix));
    }
    return next;
  };
  auto branch = scf::IfOp::create(
      k.builder(), k.getLoc(), isLast,
      [&](OpBuilder &b, Location loc) { scf::YieldOp::create(b, loc, merge()); },
      [&](OpBuilder &b, Location loc) { scf::YieldOp::create(b, loc, merged); });
  return Values(branch.getResults());
}

AttentionTile::Values AttentionTile::emitTurn(Value turn, ValueRange before) {
  Value next = k.add(turn, 1), split = k.div(turn, shape.splitTurns);
  Value first = k.mul(split, shape.splitTurns);
  Value end = k.min(run.high, k.add(first, shape.splitTurns)), isLast = k.equal(next, end);
  copies.wait();
  Values scores = emitScores();
  copies.followKeys(next);
  emitGreatest(turn, scores);
  k.barrier();
  state.updateFactors(split, isLast);
  emitWeights(scores);
  k.barrier();
  state.updateSums(split, isLast);
  copies.wait();
  size_t half = before.size() / 2;
  Values result = emitMix(before.take_front(half));
  copies.followValues(next);
  llvm::append_range(result, mergeParts(result, before.drop_front(half), isLast));
  return result;
}

//===----------------------------------------------------------------------===//
// The result
//===----------------------------------------------------------------------===//

/// `elements`: two neighbours of each of the warp's products.
void AttentionTile::storeQuery(Value query, ArrayRef<Value> elements) {
  Value row = k.add(run.row, k.div(query, shape.queries)), own = k.rem(query, shape.queries);
  Value tile = k.add(k.mul(row, shape.groups), run.group);
  Value sum = state.get(query, AttentionState::MergedSum);
  auto put = [&](Value to, llvm::function_ref<Value(Value)> finish) {
    for (int64_t column = 0; column < shape.valueTiles; ++column) {
      Value first = k.add(k.mul(c.warp, shape.valueTiles), column);
      Value element = k.add(k.mul(first, ProductColumns), k.mul(member, 2));
      Value place = k.at(to, k.mul(k.add(k.mul(own, shape.dim), element), 4));
      auto write = [&] {
        Values two{finish(elements[2 * column]), finish(elements[2 * column + 1])};
        Value pair =
            vector::FromElementsOp::create(k.builder(), k.getLoc(), k.vec(k.f32(), 2), two);
        k.storeWide(pair, place, 8);
      };
      if (shape.fillsWarps())
        write();
      else
        k.ifThen(k.less(element, k.constant(shape.dim)), write);
    }
  };
  auto finish = [&] {
    put(parts.output(tile), [&](Value x) { return emitWeightedMean(k, x, sum); });
  };
  if (!run.part)
    return finish();
  k.ifThenElse(run.isOnlyPart, finish, [&] {
    Value sums = parts.sums(tile, run.part), to = parts.state(sums, own);
    put(sums, [](Value x) { return x; });
    k.ifThen(k.both(k.equal(member, k.constant(0)), k.equal(c.warp, k.constant(0))), [&] {
      Value greatest = state.get(query, AttentionState::MergedGreatest);
      k.storeWide(greatest, k.at(to, PartMemory::Greatest), 4);
      k.storeWide(sum, k.at(to, PartMemory::Sum), 4);
    });
  });
}

void AttentionTile::emit() {
  copies.start();
  state.prepare();
  prepareQueries();
  k.barrier();
  Values zeros(2 * tiles * shape.valueTiles * 4, k.floatConstant(0.0f));
  Values all = k.forLoop(run.low, run.high, 1, zeros,
                         [&](Value turn, ValueRange before) { return emitTurn(turn, before); });
  k.waitForCopies(0);
  k.barrier();
  ValueRange merged = ValueRange(all).drop_front(all.size() / 2);
  forQueries([&](int64_t tile, int64_t half) {
    Value query = queryOf(tile, half);
    k.ifThen(state.isInRun(query),
             [&] { storeQuery(query, ofQuery(merged, shape.valueTiles, tile, half)); });
  });
  // The next run takes the place of this one.
  k.barrier();
}

void lathe::compiler::emitAttentionTile(GpuContext &c, ir::AttentionOp op,
                                        const AttentionShape &shape, const AttentionMemory &memory,
                                        PartMemory &parts, const AttentionRun &run, int64_t tiles) {
  AttentionTile(c, op, shape, memory, parts, run, tiles).emit();
}
