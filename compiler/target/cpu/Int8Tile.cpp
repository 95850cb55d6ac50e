//===- Int8Tile.cpp - Tiles of int8 activations ----------------------------===//
//
// A few rows keep their sums in registers and unpack weights on the way.  Many
// rows take the panel block by block: the block is unpacked once into a buffer
// in the nearest cache, then meets all rows, a few at a time, whose sums stay in
// the destination.  The loop over the buffer is a loop in the code too: written
// out, LLVM's scheduler trades registers for latency until most of them spill.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/TileEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Quads (4 consecutive k) in a block.
static constexpr int64_t Quads = Int8Dot::QuadsOfBlock;
/// Of them, how many one turn of the loop over an unpacked block takes.
static constexpr int64_t Unroll = 2;

namespace {

class Int8Tile {
public:
  Int8Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
           const TileArguments &arguments)
      : k(k), format(*kind.format), coarse(kind.coarse ? format.coarse() : nullptr), target(target),
        dot(*target.int8Dot), weights(coarse ? coarse->weights() : *format.int8Weights()),
        arguments(arguments) {}

  void emitFewRows(int64_t rows);
  void emitManyRows();

private:
  /// What is the same for all rows that meet 16 outputs of a block.
  struct Scaling {
    Value d, m; ///< vector<16xf32>; m is null where the format has none.
  };
  /// A row's part of a block.
  struct BlockRow {
    Value data, sums;       ///< Pointers to 32 bytes and to BlockSums.
    Value scale, scaledSum; ///< Pointers to f32.
  };

  BlockRow rowOf(Value data, Value scaleOffset, int64_t row);
  SmallVector<BlockRow> rowsOf(Value block, Value firstRow, int64_t count);
  Value addBlock(const Scaling &scaling, const BlockRow &row, Value total, Value sum);
  /// The integer scales of both halves, where there are any.
  Int8Dot::Parts readHalves(const PanelBlock &block);
  using Unpack = llvm::function_ref<void(llvm::function_ref<void(int64_t, Value)>)>;
  SmallVector<Value> emitProducts(const Int8Weights &of, const Int8Dot::Parts &halves,
                                  ArrayRef<BlockRow> rows, Unpack unpack);
  SmallVector<Value> emitFewRowsProducts(const PanelBlock &block, ArrayRef<BlockRow> rows);
  SmallVector<Value> emitFewRowsBlock(ArrayRef<PanelBlock> groups, Value index, ValueRange carried);
  void emitFewRowsByGroups(int64_t rows);
  void storeFewRows(ValueRange sums, Value firstGroup, int64_t rows);

  Scaling readScaling(const PanelBlock &block);
  void unpackGroup(const PanelBlock &block);
  void storeParts(const Int8Dot::Parts &parts, Value to);
  SmallVector<Value> emitSection(ArrayRef<BlockRow> rows, ArrayRef<Value> groups, int64_t section,
                                 ArrayRef<Int8Dot::Parts> halves);
  Int8Dot::Parts loadParts(Value from, ArrayRef<Type> types);
  void emitAllRows(Value block);
  /// What is left of many rows need not be as fast, but its code be small.
  bool isWhole(ArrayRef<BlockRow> rows) const {
    return static_cast<int64_t>(rows.size()) == target.rowTile;
  }
  void emitRows(Value block, Value firstRow, int64_t rowTile);
  void emitGroups(ArrayRef<BlockRow> rows, Value firstRow, Value firstGroup, int64_t count);
  Value inBuffer(Value group, int64_t first, int64_t bytesOfGroup) {
    return k.at(k.at(buffer, k.mul(group, bytesOfGroup)), first);
  }

  KernelBuilder &k;
  const WeightFormat &format;
  const CoarseFormat *coarse; ///< Null: all of the weights.
  const CpuTarget &target;
  const Int8Dot &dot;
  Int8Weights weights;
  const TileArguments &arguments;

  // The unpacked block: per group its quads, then d, then m, then the halves' scales.
  Value buffer;
  SmallVector<Type> partTypes;  ///< Of a quad, as Int8Dot::prepare gives it.
  SmallVector<Type> scaleTypes; ///< As Int8Dot::prepareScales gives them.
  int64_t quadBytes = 0;
  int64_t groupBytes() const { return Quads * quadBytes; }
  int64_t scaleOffset() const { return PanelGroups * groupBytes(); }
  int64_t minimumOffset() const { return scaleOffset() + PanelRows * 4; }
  int64_t halvesOffset() const { return minimumOffset() + PanelRows * 4; }
  static constexpr int64_t MostPartBytes = 128; ///< Of a quad, and of the halves' scales.
  bool hasMinimum = false;
  /// Of a few rows: beside them are those of a block, weights, and what they meet.
  static constexpr int64_t MostSums = 4;
};

} // namespace

/// Row `row` from what lies at `data` and at `scaleOffset` of the scales.
Int8Tile::BlockRow Int8Tile::rowOf(Value data, Value scaleOffset, int64_t row) {
  auto place = [&](Value base, int64_t bytes) {
    return k.at(k.at(base, k.mul(scaleOffset, bytes / 4)), bytes * row);
  };
  return {k.at(data, k.mul(arguments.rowStride, row)), place(arguments.sums, BlockSums::Bytes),
          place(arguments.scales, 4), place(arguments.scaledSums, 4)};
}

/// The block of some rows.
SmallVector<Int8Tile::BlockRow> Int8Tile::rowsOf(Value block, Value firstRow, int64_t count) {
  Value data = k.at(arguments.data, k.add(k.mul(block, arguments.blockStride),
                                          k.mul(firstRow, arguments.rowStride)));
  Value offset = k.add(k.mul(block, arguments.scaleStride), k.mul(firstRow, 4));
  SmallVector<BlockRow> rows;
  for (int64_t row = 0; row < count; ++row)
    rows.push_back(rowOf(data, offset, row));
  return rows;
}

/// sum + d * s * dot + m * s * (sum of x), for 16 outputs of one block.
Value Int8Tile::addBlock(const Scaling &scaling, const BlockRow &row, Value total, Value sum) {
  sum = k.fma(k.mulf(scaling.d, k.loadSplat(row.scale)), k.toFloat(total), sum);
  if (!scaling.m)
    return sum;
  return k.fma(scaling.m, k.loadSplat(row.scaledSum), sum);
}

Int8Dot::Parts Int8Tile::readHalves(const PanelBlock &block) {
  if (!weights.scaledHalves)
    return {};
  return dot.prepareScales(k, format.halfScales(k, block));
}

//===----------------------------------------------------------------------===//
// A few rows
//===----------------------------------------------------------------------===//

/// The sums of a block's products with integers of one kind, for each row.
SmallVector<Value> Int8Tile::emitProducts(const Int8Weights &of, const Int8Dot::Parts &halves,
                                          ArrayRef<BlockRow> rows, Unpack unpack) {
  int64_t sectionQuads = dot.sectionQuads(of);
  SmallVector<Int8Dot::Parts> parts(rows.size());
  SmallVector<Value> totals(rows.size());
  unpack([&](int64_t quad, Value weight) {
    int64_t section = quad / sectionQuads;
    Int8Dot::Parts prepared = dot.prepare(k, of, weight);
    for (auto [row, own, total] : llvm::zip_equal(rows, parts, totals)) {
      if (quad % sectionQuads == 0)
        own = dot.begin(k, of, section, row.sums);
      own = dot.step(k, of, own, prepared, k.at(row.data, 4 * quad));
      if ((quad + 1) % sectionQuads != 0)
        continue;
      Value part = dot.finish(k, of, section, own, halves);
      total = total ? k.add(total, part) : part;
    }
  });
  return totals;
}

/// Where weights are stored in two parts, it is cheaper for a row or two to multiply each
/// of them than to put them together, and the sum is the same integer.
SmallVector<Value> Int8Tile::emitFewRowsProducts(const PanelBlock &block, ArrayRef<BlockRow> rows) {
  const CoarseFormat *parts = rows.size() <= 2 ? format.coarse() : nullptr;
  if (!parts)
    return emitProducts(weights, readHalves(block), rows,
                        [&](auto use) { format.unpackInt8(k, block, use); });
  SmallVector<Value> totals = emitProducts(parts->weights(), {}, rows,
                                           [&](auto use) { parts->unpackCoarse(k, block, use); });
  SmallVector<Value> rest = emitProducts(parts->restWeights(), {}, rows,
                                         [&](auto use) { parts->unpackRest(k, block, use); });
  Value step = k.splatInt(k.i32(), static_cast<int64_t>(parts->step()));
  for (auto [total, own] : llvm::zip_equal(totals, rest))
    total = k.add(k.mul(total, step), own);
  return totals;
}

/// Carries the sums of `groups`: [group][row].
SmallVector<Value> Int8Tile::emitFewRowsBlock(ArrayRef<PanelBlock> groups, Value index,
                                              ValueRange carried) {
  auto count = static_cast<int64_t>(carried.size() / groups.size());
  SmallVector<BlockRow> rows;
  // One row is alone in its memory, so that its blocks follow each other.
  if (count == 1)
    rows.push_back(rowOf(k.at(arguments.data, k.mul(index, 32)), k.mul(index, 4), 0));
  else
    rows = rowsOf(index, k.constant(0), count);
  SmallVector<Value> sums;
  for (const PanelBlock &block : groups) {
    SmallVector<Value> totals = emitFewRowsProducts(block, rows);
    Scaling scaling = readScaling(block);
    for (auto [row, total] : llvm::zip_equal(rows, totals))
      sums.push_back(addBlock(scaling, row, total, carried[sums.size()]));
  }
  return sums;
}

void Int8Tile::storeFewRows(ValueRange sums, Value firstGroup, int64_t rows) {
  for (auto [number, sum] : llvm::enumerate(sums)) {
    Value group = k.add(firstGroup, static_cast<int64_t>(number) / rows);
    Value row = k.mul(arguments.stride, k.constant(static_cast<int64_t>(number) % rows));
    Value destination = rows == 1 ? arguments.destination : k.at(arguments.destination, row);
    k.store(sum, k.at(destination, k.mul(group, Lanes * 4)));
  }
}

void Int8Tile::emitFewRows(int64_t rows) {
  // Bringing 16 rows of weights together takes most registers, so that two groups of them
  // would spill; so would the sums of many rows.
  if (format.tailBytes() != 0 || rows * PanelGroups > MostSums)
    return emitFewRowsByGroups(rows);
  SmallVector<Value> sums(PanelGroups * rows, k.splat(0.0f));
  sums = forPanelSteps(k, target, format, {arguments.panel, arguments.tail},
                       StepRange::whole(k, arguments.wholeSteps), sums,
                       [&](const PanelPlace &block, Value index, ValueRange carried) {
                         SmallVector<PanelBlock> groups;
                         for (int64_t group = 0; group < PanelGroups; ++group)
                           groups.push_back(block.group(k, group));
                         return emitFewRowsBlock(groups, index, carried);
                       });
  storeFewRows(sums, k.constant(0), rows);
}

void Int8Tile::emitFewRowsByGroups(int64_t rows) {
  k.forLoop(k.constant(0), k.constant(PanelGroups), 1, [&](Value group) {
    SmallVector<Value> sums(rows, k.splat(0.0f));
    sums = forPanelSteps(k, target, format, {arguments.panel, arguments.tail},
                         StepRange::whole(k, arguments.wholeSteps), sums,
                         [&](const PanelPlace &block, Value index, ValueRange carried) {
                           PanelBlock own = block.block;
                           own.group = group;
                           own.header = block.headers.front();
                           return emitFewRowsBlock(own, index, carried);
                         },
                         {group, PanelGroups});
    storeFewRows(sums, group, rows);
  });
}

//===----------------------------------------------------------------------===//
// Many rows
//===----------------------------------------------------------------------===//

static int64_t bytesOf(Type type) {
  auto vector = cast<VectorType>(type);
  return vector.getNumElements() * vector.getElementTypeBitWidth() / 8;
}

Int8Tile::Scaling Int8Tile::readScaling(const PanelBlock &block) {
  Value d = format.scale(k, block);
  if (!coarse)
    return {d, format.minimum(k, block)};
  // Both are exact: the step is a power of two, and the centre has few bits, as d does.
  return {k.mulf(d, k.splat(coarse->step())), k.mulf(d, k.splat(coarse->centre()))};
}

/// Keeps what the rows will ask for of a group.
void Int8Tile::unpackGroup(const PanelBlock &block) {
  Value quads;
  auto store = [&](int64_t quad, Value weight) {
    Int8Dot::Parts parts = dot.prepare(k, weights, weight);
    partTypes = llvm::to_vector(ValueRange(parts).getTypes());
    quadBytes = 0;
    for (Type type : partTypes)
      quadBytes += bytesOf(type);
    if (!quads)
      quads = inBuffer(block.group, 0, groupBytes());
    storeParts(parts, k.at(quads, quad * quadBytes));
  };
  if (coarse)
    coarse->unpackCoarse(k, block, store);
  else
    format.unpackInt8(k, block, store);
  Scaling scaling = readScaling(block);
  k.store(scaling.d, inBuffer(block.group, scaleOffset(), Lanes * 4));
  hasMinimum = bool(scaling.m);
  if (hasMinimum)
    k.store(scaling.m, inBuffer(block.group, minimumOffset(), Lanes * 4));
  Int8Dot::Parts halves = readHalves(block);
  scaleTypes = llvm::to_vector(ValueRange(halves).getTypes());
  storeParts(halves, inBuffer(block.group, halvesOffset(), MostPartBytes));
}

void Int8Tile::storeParts(const Int8Dot::Parts &parts, Value to) {
  int64_t offset = 0;
  for (Value part : parts) {
    k.store(part, k.at(to, offset));
    offset += bytesOf(part.getType());
  }
}

Int8Dot::Parts Int8Tile::loadParts(Value from, ArrayRef<Type> types) {
  Int8Dot::Parts parts;
  int64_t offset = 0;
  for (Type type : types) {
    parts.push_back(k.load(type, k.at(from, offset)));
    offset += bytesOf(type);
  }
  return parts;
}

/// A section of the block in the buffer times some rows: vector<16xi32> for each of them
/// and each group, [groups][rows].
SmallVector<Value> Int8Tile::emitSection(ArrayRef<BlockRow> rows, ArrayRef<Value> groups,
                                         int64_t section, ArrayRef<Int8Dot::Parts> halves) {
  SmallVector<Value> inits;
  for (size_t group = 0; group < groups.size(); ++group)
    for (const BlockRow &row : rows)
      llvm::append_range(inits, dot.begin(k, weights, section, row.sums));
  size_t parts = inits.size() / (rows.size() * groups.size());
  int64_t count = dot.sectionQuads(weights), first = section * count;
  auto addQuads = [&](Value quad, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end());
    for (int64_t i = 0; i < Unroll; ++i)
      for (auto [number, group] : llvm::enumerate(groups)) {
        Value quads = inBuffer(group, 0, groupBytes());
        Int8Dot::Parts prepared =
            loadParts(k.at(k.at(quads, k.mul(quad, quadBytes)), i * quadBytes), partTypes);
        for (auto [index, row] : llvm::enumerate(rows)) {
          Value x = k.at(k.at(row.data, k.mul(quad, 4)), 4 * i);
          size_t place = (number * rows.size() + index) * parts;
          Int8Dot::Parts own(ArrayRef<Value>(next).slice(place, parts));
          llvm::copy(dot.step(k, weights, own, prepared, x), next.begin() + place);
        }
      }
    return next;
  };
  // The first quads stand ahead of the loop, where adding them to zero is no addition.
  if (isWhole(rows)) {
    inits = addQuads(k.constant(first), inits);
    first += Unroll;
    count -= Unroll;
  }
  SmallVector<Value> results =
      k.forLoop(k.constant(first), k.constant(first + count), Unroll, inits, addQuads);
  SmallVector<Value> sums;
  for (size_t each = 0; each < rows.size() * groups.size(); ++each) {
    Int8Dot::Parts own(ArrayRef<Value>(results).slice(each * parts, parts));
    sums.push_back(dot.finish(k, weights, section, own, halves[each / rows.size()]));
  }
  return sums;
}

/// The block in the buffer times some rows, for some groups of 16 outputs.
void Int8Tile::emitGroups(ArrayRef<BlockRow> rows, Value firstRow, Value firstGroup,
                          int64_t count) {
  SmallVector<Value> groups, totals;
  SmallVector<Int8Dot::Parts> halves;
  for (int64_t number = 0; number < count; ++number) {
    groups.push_back(k.add(firstGroup, number));
    halves.push_back(loadParts(inBuffer(groups.back(), halvesOffset(), MostPartBytes), scaleTypes));
  }
  for (int64_t section = 0; section < Quads / dot.sectionQuads(weights); ++section)
    for (auto [index, sum] : llvm::enumerate(emitSection(rows, groups, section, halves)))
      if (section == 0)
        totals.push_back(sum);
      else
        totals[index] = k.add(totals[index], sum);
  VectorType floats = k.vec(k.f32());
  for (auto [number, group] : llvm::enumerate(groups)) {
    Scaling scaling{k.load(floats, inBuffer(group, scaleOffset(), Lanes * 4)), {}};
    if (hasMinimum)
      scaling.m = k.load(floats, inBuffer(group, minimumOffset(), Lanes * 4));
    for (auto [index, row] : llvm::enumerate(rows)) {
      Value destination =
          k.at(arguments.destination, k.mul(k.add(firstRow, index), arguments.stride));
      destination = k.at(destination, k.mul(group, Lanes * 4));
      Value total = totals[number * rows.size() + index];
      k.store(addBlock(scaling, row, total, k.load(floats, destination)), destination);
    }
  }
}

void Int8Tile::emitRows(Value block, Value firstRow, int64_t rowTile) {
  SmallVector<BlockRow> rows = rowsOf(block, firstRow, rowTile);
  if (!isWhole(rows))
    return k.forLoop(k.constant(0), k.constant(PanelGroups), 1,
                     [&](Value group) { emitGroups(rows, firstRow, group, 1); });
  int64_t together = target.columnTile / Lanes;
  for (int64_t group = 0; group < PanelGroups; group += together)
    emitGroups(rows, firstRow, k.constant(group), together);
}

void Int8Tile::emitManyRows() {
  constexpr int64_t BufferBytes = PanelGroups * (Quads + 1) * MostPartBytes + 2 * PanelRows * 4;
  Value size = k.constant(BufferBytes);
  buffer = LLVM::AllocaOp::create(k.builder(), k.getLoc(), k.ptr(), k.i8(), size, 64);
  k.forLoop(k.constant(0), arguments.rows, 1, [&](Value row) {
    Value destination = k.at(arguments.destination, k.mul(row, arguments.stride));
    for (int64_t group = 0; group < PanelGroups; ++group)
      k.store(k.splat(0.0f), k.at(destination, group * Lanes * 4));
  });
  PanelPointers panel{arguments.panel, coarse ? Value() : arguments.tail};
  forPanelSteps(k, target, format, panel, StepRange::whole(k, arguments.wholeSteps), ValueRange(),
                [&](const PanelPlace &block, Value index, ValueRange) -> SmallVector<Value> {
                  forGroups(k, format, block, [&](const PanelBlock &group) { unpackGroup(group); });
                  emitAllRows(index);
                  return {};
                });
}

/// Few rows are rarely a multiple of a tile, and one row alone uses what it loads once.
void Int8Tile::emitAllRows(Value block) {
  Value first = k.constant(0);
  for (int64_t tile : {target.rowTile, std::min<int64_t>(2, target.rowTile), int64_t(1)}) {
    Value end = k.add(first, k.mul(k.div(k.sub(arguments.rows, first), tile), tile));
    k.forLoop(first, end, tile, [&](Value row) { emitRows(block, row, tile); });
    first = end;
    if (tile == 1)
      break;
  }
}

void lathe::compiler::emitInt8Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                                   const TileArguments &arguments) {
  Int8Tile tile(k, kind, target, arguments);
  if (kind.rows == 0)
    tile.emitManyRows();
  else
    tile.emitFewRows(kind.rows);
}
