//===- FloatTile.cpp - Tiles of f32 and bf16 activations -------------------===//
//
// Few rows keep their sums in registers and unpack weights on the way.  Many rows
// take the panel in stretches of k: a stretch is unpacked once into a buffer in
// the nearest cache, then meets all rows, a tile at a time, whose sums stay in the
// destination in between.  What meets in the innermost loop are units of 32 bits:
// f32 on both sides, or pairs of bf16 where there is an instruction for their
// products.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/TileEmitter.h"
#include "compiler/target/cpu/TileModel.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Bytes of a unit.
static constexpr int64_t UnitBytes = 4;

namespace {

/// What one row and many rows have in common.
class FloatTile {
public:
  FloatTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
            const TileArguments &arguments)
      : k(k), kind(kind), format(*kind.format), target(target), arguments(arguments),
        bf16(kind.input.isBF16()),
        dots(bf16 && format.storesPairs() && target.bf16Dot && !kind.rest) {}

protected:
  PanelPointers panel() const { return {arguments.panel, arguments.tail}; }
  /// The step behind the whole ones.  Only formats without headers have one.
  PanelPlace restBlock() {
    Value step = k.at(arguments.panel, k.mul(arguments.wholeSteps, format.stepBytes()));
    return {PanelBlock{step}, noHeaders};
  }
  /// Calls `use` for the units of a block of `elements` in order of k, with the weights
  /// of its group.
  void unpackUnits(const PanelBlock &block, int64_t elements,
                   llvm::function_ref<void(int64_t, Value)> use);
  /// sum + weights * x, where x is a unit of a row in all lanes.
  Value addUnit(Value sum, Value weights, Value x) {
    return dots ? target.bf16Dot(k, sum, weights, x) : k.fma(weights, x, sum);
  }
  Value spreadUnit(Value pointer) {
    if (!dots)
      return k.loadSplat(pointer);
    return k.bitcast(k.broadcast(k.load(k.i32(), pointer)), unitVector());
  }
  VectorType unitVector() {
    return dots ? k.vec(k.builder().getBF16Type(), 2 * Lanes) : k.vec(k.f32());
  }

  KernelBuilder &k;
  const TileKind &kind;
  const WeightFormat &format;
  const CpuTarget &target;
  const TileArguments &arguments;
  bool bf16; ///< The activations.
  bool dots; ///< Units are pairs; a row that ends within one is taken apart.
  SmallVector<SmallVector<Value>> noHeaders{PanelGroups};
};

/// A register tile that unpacks weights on the way.
class DirectTile : FloatTile {
public:
  DirectTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
             const TileArguments &arguments, int64_t rows, int64_t columns)
      : FloatTile(k, kind, target, arguments), rows(rows), groups(columns / Lanes) {}
  /// The outputs of all groups from `firstGroup` on.
  void emit(Value firstRow, int64_t firstGroup);

private:
  using Sums = SmallVector<Value>; ///< [rows][groups] of vector<16xf32>.
  Sums emitBlock(const PanelPlace &block, Value index, ValueRange carried, int64_t elements);
  void addLongBlock(const PanelPlace &block, Value offset, int64_t elements, Sums &sums);
  void addShortBlock(const PanelPlace &block, Value offset, int64_t elements, Sums &sums);
  SmallVector<Value> spreadPair(Value data);
  Value spread(Value data, int64_t unit);

  int64_t rows, groups, firstGroup = 0;
  SmallVector<Value> rowData;
};

class ManyRows : FloatTile {
public:
  using FloatTile::FloatTile;
  void emit();

private:
  void emitRest();
  int64_t stretchSteps() const {
    return std::max<int64_t>(1, target.floatDepth / format.stepElements());
  }
  int64_t unitsOf(int64_t elements) const { return dots ? (elements + 1) / 2 : elements; }
  int64_t mostUnits() const { return unitsOf(stretchSteps() * format.stepElements()); }
  bool widens() const { return bf16 && !dots; }

  Value allocate(int64_t bytes);
  void clearSums();
  void emitAllStretches();
  void emitStretch(Value first);
  void unpackBlock(const PanelPlace &block, Value unit, int64_t elements);
  void emitAllRows(Value firstUnit, Value units);
  void emitTile(Value firstRow, Value firstUnit, Value units);
  void emitColumns(ArrayRef<Value> rows, ArrayRef<Value> sums, Value column, Value units);
  void widenRow(Value from, Value to, Value elements);

  Value whole;   ///< i64: rows in whole tiles, for which unpacking ahead pays.
  Value weights; ///< [units][32] of the stretch.
  Value widened; ///< f32 [rows of a tile][units], where rows are bf16 and units f32.
};

} // namespace

void FloatTile::unpackUnits(const PanelBlock &block, int64_t elements,
                            llvm::function_ref<void(int64_t, Value)> use) {
  if (dots)
    return use(0, format.pairs(k, block));
  format.unpack(k, block, [&](int64_t element, Value weight) {
    if (element < elements)
      use(element, weight);
  });
}

//===----------------------------------------------------------------------===//
// Weights that are unpacked on the way
//===----------------------------------------------------------------------===//

/// A unit of a row in all lanes.
Value DirectTile::spread(Value data, int64_t unit) {
  if (!bf16 || dots)
    return spreadUnit(k.at(data, unit * UnitBytes));
  Value narrow = k.load(k.builder().getBF16Type(), k.at(data, unit * 2));
  return k.broadcast(arith::ExtFOp::create(k.builder(), k.getLoc(), k.f32(), narrow));
}

/// A pair is spread at once and taken apart there, as each on its own would pass through
/// an integer register.
SmallVector<Value> DirectTile::spreadPair(Value data) {
  auto [even, odd] = k.splitPairs(k.broadcast(k.load(k.i32(), data)));
  return {even, odd};
}

/// Each weight meets all rows as soon as it is unpacked.
void DirectTile::addLongBlock(const PanelPlace &block, Value offset, int64_t elements, Sums &sums) {
  for (int64_t group = 0; group < groups; ++group)
    unpackUnits(block.group(k, firstGroup + group), elements, [&](int64_t unit, Value weight) {
      for (int64_t row = 0; row < rows; ++row) {
        Value &sum = sums[row * groups + group];
        sum = addUnit(sum, weight, spread(k.at(rowData[row], offset), unit));
      }
    });
}

/// All weights stay in registers while the rows pass.
void DirectTile::addShortBlock(const PanelPlace &block, Value offset, int64_t elements,
                               Sums &sums) {
  SmallVector<SmallVector<Value, 2>> weights(groups);
  for (int64_t group = 0; group < groups; ++group)
    unpackUnits(block.group(k, firstGroup + group), elements,
                [&](int64_t, Value weight) { weights[group].push_back(weight); });
  bool pairs = bf16 && !dots && format.storesPairs();
  for (int64_t row = 0; row < rows; ++row) {
    Value data = k.at(rowData[row], offset);
    SmallVector<Value> pair = pairs ? spreadPair(data) : SmallVector<Value>();
    for (size_t unit = 0; unit < weights.front().size(); ++unit) {
      Value x = pairs ? pair[unit] : spread(data, static_cast<int64_t>(unit));
      for (int64_t group = 0; group < groups; ++group) {
        Value &sum = sums[row * groups + group];
        sum = addUnit(sum, weights[group][unit], x);
      }
    }
  }
}

DirectTile::Sums DirectTile::emitBlock(const PanelPlace &block, Value index, ValueRange carried,
                                       int64_t elements) {
  Sums sums(carried.begin(), carried.end());
  Value offset = k.mul(index, format.blockElements() * (bf16 ? 2 : 4));
  if (format.blockElements() > 2)
    addLongBlock(block, offset, elements, sums);
  else
    addShortBlock(block, offset, elements, sums);
  return sums;
}

void DirectTile::emit(Value firstRow, int64_t first) {
  firstGroup = first;
  rowData.clear();
  for (int64_t row = 0; row < rows; ++row)
    rowData.push_back(k.at(arguments.data, k.mul(k.add(firstRow, row), arguments.rowStride)));
  Sums sums(rows * groups, k.splat(0.0f));
  sums = forPanelSteps(k, target, format, panel(), StepRange::whole(k, arguments.wholeSteps), sums,
                       [&](const PanelPlace &block, Value index, ValueRange carried) {
                         return emitBlock(block, index, carried, format.blockElements());
                       });
  if (kind.rest)
    sums = emitBlock(restBlock(), arguments.wholeSteps, sums, kind.rest);
  for (int64_t row = 0; row < rows; ++row) {
    Value destination = k.at(arguments.destination, k.mul(k.add(firstRow, row), arguments.stride));
    for (int64_t group = 0; group < groups; ++group)
      k.store(sums[row * groups + group], k.at(destination, (firstGroup + group) * Lanes * 4));
  }
}

//===----------------------------------------------------------------------===//
// Many rows
//===----------------------------------------------------------------------===//

Value ManyRows::allocate(int64_t bytes) {
  return LLVM::AllocaOp::create(k.builder(), k.getLoc(), k.ptr(), k.i8(), k.constant(bytes), 64);
}

void ManyRows::clearSums() {
  k.forLoop(k.constant(0), whole, 1, [&](Value row) {
    Value destination = k.at(arguments.destination, k.mul(row, arguments.stride));
    for (int64_t group = 0; group < PanelGroups; ++group)
      k.store(k.splat(0.0f), k.at(destination, group * Lanes * 4));
  });
}

/// Unpacks a block into the buffer, from its unit `unit` on.
void ManyRows::unpackBlock(const PanelPlace &block, Value unit, int64_t elements) {
  Value to = k.at(weights, k.mul(unit, PanelRows * UnitBytes));
  forGroups(k, format, block, [&](const PanelBlock &group) {
    Value first = k.at(to, k.mul(group.group, Lanes * UnitBytes));
    unpackUnits(group, elements, [&](int64_t own, Value weight) {
      k.store(weight, k.at(first, own * PanelRows * UnitBytes));
    });
  });
}

/// f32 of bf16: 16 at a time, then one by one.
void ManyRows::widenRow(Value from, Value to, Value elements) {
  auto widen = [&](Value element, int64_t lanes) {
    Value narrow = k.load(k.vec(k.builder().getBF16Type(), lanes), k.at(from, k.mul(element, 2)));
    k.store(k.extend(narrow), k.at(to, k.mul(element, 4)));
  };
  Value whole = k.mul(k.div(elements, Lanes), Lanes);
  k.forLoop(k.constant(0), whole, Lanes, [&](Value element) { widen(element, Lanes); });
  k.forLoop(whole, elements, 1, [&](Value element) { widen(element, 1); });
}

/// A register tile: some rows and the outputs from `column` on.
void ManyRows::emitColumns(ArrayRef<Value> rows, ArrayRef<Value> sums, Value column, Value units) {
  int64_t groups = target.floatColumnTile / Lanes;
  Value offset = k.mul(column, UnitBytes);
  SmallVector<Value> places, inits;
  for (Value sum : sums)
    for (int64_t group = 0; group < groups; ++group) {
      places.push_back(k.at(k.at(sum, offset), group * Lanes * 4));
      inits.push_back(k.load(k.vec(k.f32()), places.back()));
    }
  Value from = k.at(weights, offset);
  auto results = k.forLoop(k.constant(0), units, 1, inits, [&](Value unit, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end()), own;
    Value place = k.at(from, k.mul(unit, PanelRows * UnitBytes));
    for (int64_t group = 0; group < groups; ++group)
      own.push_back(k.load(unitVector(), k.at(place, group * Lanes * UnitBytes)));
    for (auto [row, data] : llvm::enumerate(rows)) {
      Value x = spreadUnit(k.at(data, k.mul(unit, UnitBytes)));
      for (int64_t group = 0; group < groups; ++group) {
        Value &sum = next[row * groups + group];
        sum = addUnit(sum, own[group], x);
      }
    }
    return next;
  });
  for (auto [result, place] : llvm::zip(results, places))
    k.store(result, place);
}

void ManyRows::emitTile(Value firstRow, Value firstUnit, Value units) {
  SmallVector<Value> rows, sums;
  for (int64_t row = 0; row < target.floatRowTile; ++row) {
    Value number = k.add(firstRow, row);
    Value data = k.at(k.at(arguments.data, k.mul(number, arguments.rowStride)),
                      k.mul(firstUnit, widens() ? 2 : UnitBytes));
    if (widens()) {
      Value wide = k.at(widened, row * mostUnits() * 4);
      widenRow(data, wide, units);
      data = wide;
    }
    rows.push_back(data);
    sums.push_back(k.at(arguments.destination, k.mul(number, arguments.stride)));
  }
  k.forLoop(k.constant(0), k.constant(PanelRows), target.floatColumnTile,
            [&](Value column) { emitColumns(rows, sums, column, units); });
}

void ManyRows::emitAllRows(Value firstUnit, Value units) {
  k.forLoop(k.constant(0), whole, target.floatRowTile,
            [&](Value row) { emitTile(row, firstUnit, units); });
}

/// The steps from `first` on, as many as a stretch has or are left.
void ManyRows::emitStretch(Value first) {
  Value last = k.min(k.add(first, stretchSteps()), arguments.wholeSteps);
  Value firstBlock = k.mul(first, format.stepBlocks());
  int64_t units = unitsOf(format.blockElements());
  forPanelSteps(k, target, format, panel(), {first, last, arguments.wholeSteps}, ValueRange(),
                [&](const PanelPlace &block, Value index, ValueRange) -> SmallVector<Value> {
                  unpackBlock(block, k.mul(k.sub(index, firstBlock), units),
                              format.blockElements());
                  return {};
                });
  int64_t stepUnits = unitsOf(format.stepElements());
  emitAllRows(k.mul(first, stepUnits), k.mul(k.sub(last, first), stepUnits));
}

void ManyRows::emitAllStretches() {
  clearSums();
  k.forLoop(k.constant(0), arguments.wholeSteps, stretchSteps(),
            [&](Value first) { emitStretch(first); });
  if (!kind.rest)
    return;
  unpackBlock(restBlock(), k.constant(0), kind.rest);
  emitAllRows(k.mul(arguments.wholeSteps, unitsOf(format.stepElements())),
              k.constant(unitsOf(kind.rest)));
}

/// Rows that are left over, in powers of two.
void ManyRows::emitRest() {
  Value first = whole;
  auto most = static_cast<int64_t>(llvm::bit_floor(static_cast<uint64_t>(target.floatRowTile)));
  for (int64_t tile = most; tile > 0; tile /= 2) {
    int64_t columns = chooseColumns(target, tile);
    DirectTile direct(k, kind, target, arguments, tile, columns);
    Value end = k.add(first, k.mul(k.div(k.sub(arguments.rows, first), tile), tile));
    for (int64_t group = 0; group < PanelGroups; group += columns / Lanes)
      k.forLoop(first, end, tile, [&](Value row) { direct.emit(row, group); });
    first = end;
  }
}

void ManyRows::emit() {
  int64_t tile = target.floatRowTile;
  weights = allocate(mostUnits() * PanelRows * UnitBytes);
  if (widens())
    widened = allocate(tile * mostUnits() * 4);
  // Below two tiles a step reads its weights from far away and waits for them anyway.
  Value some = k.constant(0), many = k.mul(k.div(arguments.rows, tile), tile);
  whole = k.select(k.less(arguments.rows, k.constant(2 * tile)), some, many);
  k.ifThen(k.less(some, whole), [&] { emitAllStretches(); });
  emitRest();
}

void lathe::compiler::emitFloatTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                                    const TileArguments &arguments) {
  if (kind.rows != 1)
    ManyRows(k, kind, target, arguments).emit();
  else
    DirectTile(k, kind, target, arguments, 1, PanelRows).emit(k.constant(0), 0);
}
