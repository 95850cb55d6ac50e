//===- Int16Tile.cpp - Tiles of int16 activations --------------------------===//
//
// Pairs of k meet in the innermost loop, as packed weights and rows both have them.
// Sums are exact in int32 (runtime/formats/blocks/Words.cpp), so that tiles may take
// k in any order; at the end they are scaled to f32.  Few rows, and any rows of a panel
// that the nearest cache holds, keep their sums in registers for all k.  Many rows take
// a longer panel in stretches of k, which stay in that cache while all rows pass; their
// sums are in the destination in between.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/TileEmitter.h"
#include "compiler/target/cpu/TileModel.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Bytes of a pair.
static constexpr int64_t PairBytes = 4;

namespace {

class Int16Tile {
public:
  Int16Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
            const TileArguments &arguments)
      : k(k), format(*kind.format), target(target), arguments(arguments) {}

  /// Some rows and the outputs of some groups, for all k.
  void emitDirect(Value firstRow, int64_t rows, int64_t firstGroup, int64_t groups);
  void emitManyRows();

private:
  using Sums = SmallVector<Value>; ///< [rows][groups] of vector<16xi32>.

  /// The pairs of a stretch, half as many again as of floats: there is half the arithmetic to a
  /// sum that comes and goes.
  int64_t stretchPairs() const { return std::max<int64_t>(1, target.floatDepth * 3 / 2); }
  SmallVector<Value> rowsFrom(Value firstRow, int64_t count, Value firstPair);
  Value place(Value row) { return k.at(arguments.destination, k.mul(row, arguments.stride)); }
  Sums addPair(Value block, int64_t firstGroup, ArrayRef<Value> rows, Value offset,
               ValueRange sums);
  void storeScaled(Value sum, Value row, int64_t group);
  void emitStretch(Value first, Value whole);
  void emitStretchTile(Value firstRow, int64_t firstGroup, Value first, Value last);
  void emitRest(Value first);

  KernelBuilder &k;
  const WeightFormat &format;
  const CpuTarget &target;
  const TileArguments &arguments;
};

} // namespace

SmallVector<Value> Int16Tile::rowsFrom(Value firstRow, int64_t count, Value firstPair) {
  SmallVector<Value> rows;
  Value from = k.at(arguments.data, k.mul(firstPair, PairBytes));
  for (int64_t row = 0; row < count; ++row)
    rows.push_back(k.at(from, k.mul(k.add(firstRow, row), arguments.rowStride)));
  return rows;
}

/// The pair of weights at `block` times the pairs of rows at `offset`.
Int16Tile::Sums Int16Tile::addPair(Value block, int64_t firstGroup, ArrayRef<Value> rows,
                                   Value offset, ValueRange sums) {
  Sums next(sums.begin(), sums.end()), weights;
  int64_t groups = static_cast<int64_t>(next.size() / rows.size());
  for (int64_t group = 0; group < groups; ++group)
    weights.push_back(format.words(k, block, k.constant(firstGroup + group)));
  for (auto [row, data] : llvm::enumerate(rows)) {
    Value pair = k.broadcast(k.load(k.i32(), k.at(data, offset)));
    Value x = k.bitcast(pair, k.vec(k.i16(), 2 * Lanes));
    for (int64_t group = 0; group < groups; ++group) {
      Value &sum = next[row * groups + group];
      sum = target.int16Dot(k, sum, weights[group], x);
    }
  }
  return next;
}

void Int16Tile::storeScaled(Value sum, Value row, int64_t group) {
  Value scale = k.loadSplat(k.at(arguments.scales, k.mul(row, 4)));
  Value factors = k.mulf(scale, format.outputScales(k, arguments.panel, k.constant(group)));
  k.store(k.mulf(k.toFloat(sum), factors), k.at(place(row), group * Lanes * 4));
}

void Int16Tile::emitDirect(Value firstRow, int64_t rows, int64_t firstGroup, int64_t groups) {
  SmallVector<Value> data = rowsFrom(firstRow, rows, k.constant(0));
  Sums sums(rows * groups, k.splatInt(k.i32(), 0));
  sums = forPanelSteps(k, target, format, {arguments.panel, arguments.tail},
                       StepRange::whole(k, arguments.wholeSteps), sums,
                       [&](const PanelPlace &found, Value index, ValueRange carried) {
                         return addPair(found.block.place, firstGroup, data,
                                        k.mul(index, PairBytes), carried);
                       });
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < groups; ++group)
      storeScaled(sums[row * groups + group], k.add(firstRow, row), firstGroup + group);
}

//===----------------------------------------------------------------------===//
// Many rows
//===----------------------------------------------------------------------===//

/// A register tile with the pairs `first` to `last`.
void Int16Tile::emitStretchTile(Value firstRow, int64_t firstGroup, Value first, Value last) {
  int64_t groups = target.floatColumnTile / Lanes;
  SmallVector<Value> rows = rowsFrom(firstRow, target.floatRowTile, first), places;
  Sums sums;
  for (int64_t row = 0; row < target.floatRowTile; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      places.push_back(k.at(place(k.add(firstRow, row)), (firstGroup + group) * Lanes * 4));
      sums.push_back(k.load(k.vec(k.i32()), places.back()));
    }
  Value weights = k.at(arguments.panel, k.mul(first, format.stepBytes()));
  auto results =
      k.forLoop(k.constant(0), k.sub(last, first), 1, sums, [&](Value pair, ValueRange carried) {
        Value block = k.at(weights, k.mul(pair, format.stepBytes()));
        return addPair(block, firstGroup, rows, k.mul(pair, PairBytes), carried);
      });
  for (auto [result, to] : llvm::zip(results, places))
    k.store(result, to);
}

/// The pairs from `first` on, as many as a stretch has or are left, of `whole` rows.
void Int16Tile::emitStretch(Value first, Value whole) {
  Value last = k.min(k.add(first, stretchPairs()), arguments.wholeSteps);
  k.forLoop(k.constant(0), whole, target.floatRowTile, [&](Value row) {
    for (int64_t group = 0; group < PanelGroups; group += target.floatColumnTile / Lanes)
      emitStretchTile(row, group, first, last);
  });
}

/// The rows from `first` on, for all k: in whole tiles, and then in powers of two.
void Int16Tile::emitRest(Value first) {
  auto most = static_cast<int64_t>(llvm::bit_floor(static_cast<uint64_t>(target.floatRowTile)));
  SmallVector<int64_t> tiles = {target.floatRowTile};
  for (int64_t tile = most; tile > 0; tile /= 2)
    if (tile != target.floatRowTile)
      tiles.push_back(tile);
  for (int64_t tile : tiles) {
    int64_t groups = chooseColumns(target, tile) / Lanes;
    Value end = k.add(first, k.mul(k.div(k.sub(arguments.rows, first), tile), tile));
    for (int64_t group = 0; group < PanelGroups; group += groups)
      k.forLoop(first, end, tile, [&](Value row) { emitDirect(row, tile, group, groups); });
    first = end;
  }
}

void Int16Tile::emitManyRows() {
  int64_t tile = target.floatRowTile;
  // Below two tiles a step reads its weights from far away and waits for them anyway.
  Value none = k.constant(0), many = k.mul(k.div(arguments.rows, tile), tile);
  Value some = k.select(k.less(arguments.rows, k.constant(2 * tile)), none, many);
  Value isLong = k.less(k.constant(stretchPairs()), arguments.wholeSteps);
  Value whole = k.select(isLong, some, none);
  auto forSums = [&](llvm::function_ref<void(Value row, int64_t group)> use) {
    k.forLoop(none, whole, 1, [&](Value row) {
      for (int64_t group = 0; group < PanelGroups; ++group)
        use(row, group);
    });
  };
  forSums([&](Value row, int64_t group) {
    k.store(k.splatInt(k.i32(), 0), k.at(place(row), group * Lanes * 4));
  });
  k.ifThen(k.less(none, whole), [&] {
    k.forLoop(none, arguments.wholeSteps, stretchPairs(),
              [&](Value first) { emitStretch(first, whole); });
  });
  forSums([&](Value row, int64_t group) {
    Value sum = k.load(k.vec(k.i32()), k.at(place(row), group * Lanes * 4));
    storeScaled(sum, row, group);
  });
  emitRest(whole);
}

void lathe::compiler::emitInt16Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                                    const TileArguments &arguments) {
  Int16Tile tile(k, kind, target, arguments);
  if (kind.rows != 1)
    tile.emitManyRows();
  else
    tile.emitDirect(k.constant(0), 1, 0, PanelGroups);
}
