//===- FloatTile.cpp - Tiles of f32 and bf16 activations -------------------===//

#include "compiler/target/cpu/TileEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// A register tile of a fixed number of rows, and of some groups of outputs.
class FloatTile {
public:
  FloatTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
            const TileArguments &arguments, int64_t rowTile, int64_t firstGroup, int64_t groups)
      : k(k), kind(kind), format(*kind.format), target(target), arguments(arguments),
        rowTile(rowTile), firstGroup(firstGroup), groups(groups), bf16(kind.input.isBF16()) {}

  void emit(Value firstRow);

private:
  using TileSums = SmallVector<Value>; ///< [rowTile][groups] of vector<16xf32>.

  TileSums emitBlock(const PanelPlace &block, Value index, ValueRange carried, int64_t elements);
  TileSums emitDotBlock(const PanelPlace &block, Value index, ValueRange carried);
  TileSums emitPairBlock(const PanelPlace &block, Value index, ValueRange carried);
  TileSums emitStep(const PanelPlace &block, Value index, ValueRange carried);
  Value &sumOf(TileSums &sums, int64_t row, int64_t group) {
    return sums[row * groups + group - firstGroup];
  }
  auto allGroups() const { return llvm::seq(firstGroup, firstGroup + groups); }
  Value loadInput(Value pointer);

  KernelBuilder &k;
  const TileKind &kind;
  const WeightFormat &format;
  const CpuTarget &target;
  const TileArguments &arguments;
  int64_t rowTile, firstGroup, groups;
  bool bf16;
  SmallVector<Value> rowData;
};

} // namespace

/// One element of an f32 or bf16 row, in all lanes as f32.
Value FloatTile::loadInput(Value pointer) {
  if (!bf16)
    return k.loadSplat(pointer);
  Value narrow = k.load(k.builder().getBF16Type(), pointer);
  return k.broadcast(arith::ExtFOp::create(k.builder(), k.getLoc(), k.f32(), narrow));
}

FloatTile::TileSums FloatTile::emitBlock(const PanelPlace &block, Value index, ValueRange carried,
                                         int64_t elements) {
  TileSums sums(carried.begin(), carried.end());
  int64_t elementBytes = bf16 ? 2 : 4;
  Value offset = k.mul(index, format.blockElements() * elementBytes);
  SmallVector<Value> rows;
  for (Value data : rowData)
    rows.push_back(k.at(data, offset));
  for (int64_t group : allGroups())
    format.unpack(k, block.group(group), group, [&](int64_t element, Value weight) {
      if (element >= elements)
        return;
      for (int64_t row = 0; row < rowTile; ++row) {
        Value &sum = sumOf(sums, row, group);
        sum = k.fma(weight, loadInput(k.at(rows[row], element * elementBytes)), sum);
      }
    });
  return sums;
}

/// Two k at a time, where both sides are stored as pairs of bf16 and there is an
/// instruction for their products.
FloatTile::TileSums FloatTile::emitDotBlock(const PanelPlace &block, Value index,
                                            ValueRange carried) {
  TileSums sums(carried.begin(), carried.end());
  SmallVector<Value> weights;
  for (int64_t group : allGroups())
    weights.push_back(format.pairs(k, block.group(group), group));
  Value offset = k.mul(index, 4);
  for (int64_t row = 0; row < rowTile; ++row) {
    Value pair = k.broadcast(k.load(k.i32(), k.at(rowData[row], offset)));
    Value x = k.bitcast(pair, k.vec(k.builder().getBF16Type(), 2 * Lanes));
    for (int64_t group : allGroups()) {
      Value &sum = sumOf(sums, row, group);
      sum = target.bf16Dot(k, sum, weights[group - firstGroup], x);
    }
  }
  return sums;
}

/// The same without: a pair of a row is spread at once and taken apart there, as each
/// on its own would pass through an integer register.
FloatTile::TileSums FloatTile::emitPairBlock(const PanelPlace &block, Value index,
                                             ValueRange carried) {
  TileSums sums(carried.begin(), carried.end());
  SmallVector<std::pair<Value, Value>> weights;
  for (int64_t group : allGroups())
    weights.push_back(k.splitPairs(format.pairs(k, block.group(group), group)));
  Value offset = k.mul(index, 4);
  for (int64_t row = 0; row < rowTile; ++row) {
    auto [even, odd] = k.splitPairs(k.broadcast(k.load(k.i32(), k.at(rowData[row], offset))));
    for (int64_t group : allGroups()) {
      Value &sum = sumOf(sums, row, group);
      sum = k.fma(weights[group - firstGroup].first, even, sum);
      sum = k.fma(weights[group - firstGroup].second, odd, sum);
    }
  }
  return sums;
}

FloatTile::TileSums FloatTile::emitStep(const PanelPlace &block, Value index, ValueRange carried) {
  if (!bf16 || !format.storesPairs())
    return emitBlock(block, index, carried, format.blockElements());
  return target.bf16Dot ? emitDotBlock(block, index, carried)
                        : emitPairBlock(block, index, carried);
}

void FloatTile::emit(Value firstRow) {
  for (int64_t row = 0; row < rowTile; ++row)
    rowData.push_back(k.at(arguments.data, k.mul(k.add(firstRow, row), arguments.rowStride)));
  TileSums sums(rowTile * groups, k.splat(0.0f));
  Value whole = arguments.wholeSteps;
  sums = forPanelSteps(k, target, format, {arguments.panel, arguments.tail}, whole, sums,
                       [&](const PanelPlace &block, Value index, ValueRange carried) {
                         return emitStep(block, index, carried);
                       });
  if (kind.rest) {
    // Only formats without headers have steps that may be cut off.
    SmallVector<SmallVector<Value>> headers(PanelGroups);
    Value place = k.at(arguments.panel, k.mul(whole, format.stepBytes()));
    sums = emitBlock({{place, {}}, headers}, whole, sums, kind.rest);
  }
  for (int64_t row = 0; row < rowTile; ++row) {
    Value destination = k.at(arguments.destination, k.mul(k.add(firstRow, row), arguments.stride));
    for (int64_t group : allGroups())
      k.store(sumOf(sums, row, group), k.at(destination, group * Lanes * 4));
  }
}

void lathe::compiler::emitFloatTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                                    const TileArguments &arguments) {
  auto emitRows = [&](Value firstRow, int64_t rowTile, int64_t group, int64_t groups) {
    FloatTile(k, kind, target, arguments, rowTile, group, groups).emit(firstRow);
  };
  if (!kind.manyRows)
    return emitRows(k.constant(0), 1, 0, PanelGroups);
  int64_t rowTile = target.floatRowTile, groups = target.floatColumnTile / Lanes;
  Value whole = k.mul(k.div(arguments.rows, rowTile), rowTile);
  // The weights of some groups stay in the nearest cache while all rows pass.
  for (int64_t group = 0; group < PanelGroups; group += groups)
    k.forLoop(k.constant(0), whole, rowTile,
              [&](Value row) { emitRows(row, rowTile, group, groups); });
  k.forLoop(whole, arguments.rows, 1, [&](Value row) { emitRows(row, 1, 0, PanelGroups); });
}
