//===- FloatTile.cpp - Tiles of f32 and bf16 activations -------------------===//

#include "compiler/target/cpu/TileEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// A register tile of a fixed number of rows.
class FloatTile {
public:
  FloatTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
            const TileArguments &arguments, int64_t rowTile)
      : k(k), kind(kind), format(*kind.format), target(target), arguments(arguments),
        rowTile(rowTile), bf16(kind.input.isBF16()) {}

  void emit(Value firstRow);

private:
  using TileSums = SmallVector<Value>; ///< [rowTile][PanelGroups] of vector<16xf32>.

  TileSums emitBlock(const PanelPlace &block, Value index, ValueRange carried, int64_t elements);
  TileSums emitPairBlock(const PanelPlace &block, Value index, ValueRange carried);
  Value loadInput(Value pointer);

  KernelBuilder &k;
  const TileKind &kind;
  const WeightFormat &format;
  const CpuTarget &target;
  const TileArguments &arguments;
  int64_t rowTile;
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
  for (int64_t group = 0; group < PanelGroups; ++group)
    format.unpack(k, block.group(group), group, [&](int64_t element, Value weight) {
      if (element >= elements)
        return;
      for (int64_t row = 0; row < rowTile; ++row) {
        Value &sum = sums[row * PanelGroups + group];
        sum = k.fma(weight, loadInput(k.at(rows[row], element * elementBytes)), sum);
      }
    });
  return sums;
}

/// Two k at a time, where both sides are stored as pairs of bf16.
FloatTile::TileSums FloatTile::emitPairBlock(const PanelPlace &block, Value index,
                                             ValueRange carried) {
  TileSums sums(carried.begin(), carried.end());
  SmallVector<Value> weights;
  for (int64_t group = 0; group < PanelGroups; ++group)
    weights.push_back(format.pairs(k, block.group(group), group));
  Value offset = k.mul(index, 4);
  for (int64_t row = 0; row < rowTile; ++row) {
    Value pair = k.broadcast(k.load(k.i32(), k.at(rowData[row], offset)));
    Value x = k.bitcast(pair, k.vec(k.builder().getBF16Type(), 2 * Lanes));
    for (int64_t group = 0; group < PanelGroups; ++group) {
      Value &sum = sums[row * PanelGroups + group];
      sum = target.bf16Dot(k, sum, weights[group], x);
    }
  }
  return sums;
}

void FloatTile::emit(Value firstRow) {
  for (int64_t row = 0; row < rowTile; ++row)
    rowData.push_back(k.at(arguments.data, k.mul(k.add(firstRow, row), arguments.rowStride)));
  TileSums sums(rowTile * PanelGroups, k.splat(0.0f));
  Value whole = arguments.wholeSteps;
  sums = forPanelSteps(k, target, format, {arguments.panel, arguments.tail}, whole, sums,
                       [&](const PanelPlace &block, Value index, ValueRange carried) -> TileSums {
                         return bf16 && target.bf16Dot && format.storesPairs()
                                    ? emitPairBlock(block, index, carried)
                                    : emitBlock(block, index, carried, format.blockElements());
                       });
  if (kind.rest) {
    // Only formats without headers have steps that may be cut off.
    SmallVector<SmallVector<Value>> headers(PanelGroups);
    Value place = k.at(arguments.panel, k.mul(whole, format.stepBytes()));
    sums = emitBlock({{place, {}}, headers}, whole, sums, kind.rest);
  }
  for (int64_t row = 0; row < rowTile; ++row) {
    Value destination = k.at(arguments.destination, k.mul(k.add(firstRow, row), arguments.stride));
    for (int64_t group = 0; group < PanelGroups; ++group)
      k.store(sums[row * PanelGroups + group], k.at(destination, group * Lanes * 4));
  }
}

void lathe::compiler::emitFloatTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                                    const TileArguments &arguments) {
  auto emitRows = [&](Value firstRow, int64_t rowTile) {
    FloatTile(k, kind, target, arguments, rowTile).emit(firstRow);
  };
  if (!kind.manyRows)
    return emitRows(k.constant(0), 1);
  int64_t rowTile = target.floatRowTile;
  Value whole = k.mul(k.div(arguments.rows, rowTile), rowTile);
  k.forLoop(k.constant(0), whole, rowTile, [&](Value row) { emitRows(row, rowTile); });
  k.forLoop(whole, arguments.rows, 1, [&](Value row) { emitRows(row, 1); });
}
