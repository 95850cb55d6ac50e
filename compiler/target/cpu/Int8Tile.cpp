//===- Int8Tile.cpp - Tiles of int8 activations ----------------------------===//
//
// One row keeps its sums in registers and unpacks weights on the way.  Many
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
static constexpr int64_t Quads = 8;

namespace {

class Int8Tile {
public:
  Int8Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
           const TileArguments &arguments)
      : k(k), format(*kind.format), target(target), dot(*target.int8Dot),
        weights(*format.int8Weights()), arguments(arguments) {}

  void emitOneRow();
  void emitManyRows();

private:
  /// What is the same for all rows that meet 16 outputs of a block.
  struct Scaling {
    Value d, m; ///< vector<16xf32>; m is null where the format has none.
  };
  /// A row's part of a block.
  struct BlockRow {
    Value data, scale;    ///< Pointer to 32 bytes; vector<16xf32>.
    Value sum, scaledSum; ///< i32; vector<16xf32>.
  };

  BlockRow rowOf(Value data, Value scaleOffset, int64_t row);
  Value addBlock(const Scaling &scaling, const BlockRow &row, const Int8Dot::Parts &parts,
                 Value sum);
  SmallVector<Value> emitOneRowStep(Value index, ValueRange carried);

  void unpackBlock(Value step);
  void emitRows(Value block, Value firstRow, int64_t rowTile);
  void emitGroup(ArrayRef<BlockRow> rows, Value firstRow, int64_t group);

  KernelBuilder &k;
  const WeightFormat &format;
  const CpuTarget &target;
  const Int8Dot &dot;
  Int8Weights weights;
  const TileArguments &arguments;

  // The unpacked block: per group its quads, then d, then m.
  Value buffer;
  SmallVector<Type> partTypes; ///< Of a quad, as Int8Dot::prepare gives it.
  int64_t quadBytes = 0;
  int64_t groupBytes() const { return Quads * quadBytes; }
  int64_t scaleOffset(int64_t group) const {
    return PanelGroups * groupBytes() + group * Lanes * 4;
  }
  int64_t minimumOffset(int64_t group) const { return scaleOffset(group) + PanelRows * 4; }
  bool hasMinimum = false;
};

} // namespace

/// Row `row` from what lies at `data` and at `scaleOffset` of the scales and sums.
Int8Tile::BlockRow Int8Tile::rowOf(Value data, Value scaleOffset, int64_t row) {
  auto place = [&](Value base) { return k.at(k.at(base, scaleOffset), 4 * row); };
  return {k.at(data, k.mul(arguments.rowStride, row)), k.loadSplat(place(arguments.scales)),
          k.load(k.i32(), place(arguments.sums)), k.loadSplat(place(arguments.scaledSums))};
}

/// sum + d * s * dot + m * s * (sum of x), for 16 outputs of one block.
Value Int8Tile::addBlock(const Scaling &scaling, const BlockRow &row, const Int8Dot::Parts &parts,
                         Value sum) {
  Value total = k.toFloat(dot.finish(k, weights, parts, row.sum));
  sum = k.fma(k.mulf(scaling.d, row.scale), total, sum);
  if (!scaling.m)
    return sum;
  return k.fma(scaling.m, row.scaledSum, sum);
}

//===----------------------------------------------------------------------===//
// One row
//===----------------------------------------------------------------------===//

SmallVector<Value> Int8Tile::emitOneRowStep(Value index, ValueRange carried) {
  Value step = k.at(arguments.panel, k.mul(index, format.stepBytes()));
  // One row is alone in its memory, so that its blocks follow each other.
  BlockRow row = rowOf(k.at(arguments.data, k.mul(index, 32)), k.mul(index, 4), 0);
  k.prefetch(k.at(step, PrefetchBytes), format.stepBytes());
  SmallVector<Value> sums;
  for (int64_t group = 0; group < PanelGroups; ++group) {
    Int8Dot::Parts parts = dot.begin(k, weights, row.sum);
    format.unpackInt8(k, step, group, [&](int64_t quad, Value weight) {
      parts =
          dot.step(k, weights, parts, dot.prepare(k, weights, weight), k.at(row.data, 4 * quad));
    });
    Scaling scaling{format.scale(k, step, group), format.minimum(k, step, group)};
    sums.push_back(addBlock(scaling, row, parts, carried[group]));
  }
  return sums;
}

void Int8Tile::emitOneRow() {
  SmallVector<Value> sums(PanelGroups, k.splat(0.0f));
  sums = k.forLoop(k.constant(0), arguments.wholeSteps, 1, sums,
                   [&](Value index, ValueRange carried) { return emitOneRowStep(index, carried); });
  for (int64_t group = 0; group < PanelGroups; ++group)
    k.store(sums[group], k.at(arguments.destination, group * Lanes * 4));
}

//===----------------------------------------------------------------------===//
// Many rows
//===----------------------------------------------------------------------===//

static int64_t bytesOf(Type type) {
  auto vector = cast<VectorType>(type);
  return vector.getNumElements() * vector.getElementTypeBitWidth() / 8;
}

void Int8Tile::unpackBlock(Value step) {
  SmallVector<std::pair<Value, int64_t>> stores;
  for (int64_t group = 0; group < PanelGroups; ++group) {
    format.unpackInt8(k, step, group, [&](int64_t quad, Value weight) {
      Int8Dot::Parts parts = dot.prepare(k, weights, weight);
      partTypes = llvm::to_vector(ValueRange(parts).getTypes());
      int64_t bytes = 0;
      for (Value part : parts)
        bytes += bytesOf(part.getType());
      quadBytes = bytes;
      int64_t offset = group * groupBytes() + quad * quadBytes;
      for (Value part : parts) {
        k.store(part, k.at(buffer, offset));
        offset += bytesOf(part.getType());
      }
    });
    k.store(format.scale(k, step, group), k.at(buffer, scaleOffset(group)));
    if (Value minimum = format.minimum(k, step, group)) {
      hasMinimum = true;
      k.store(minimum, k.at(buffer, minimumOffset(group)));
    }
  }
}

/// The block in the buffer times some rows, for one group of 16 outputs.
void Int8Tile::emitGroup(ArrayRef<BlockRow> rows, Value firstRow, int64_t group) {
  SmallVector<Value> inits;
  for (const BlockRow &row : rows)
    llvm::append_range(inits, dot.begin(k, weights, row.sum));
  size_t parts = inits.size() / rows.size();
  Value quads = k.at(buffer, group * groupBytes());
  constexpr int64_t Unroll = 2;
  SmallVector<Value> results = k.forLoop(
      k.constant(0), k.constant(Quads), Unroll, inits, [&](Value quad, ValueRange carried) {
        SmallVector<Value> next(carried.begin(), carried.end());
        for (int64_t i = 0; i < Unroll; ++i) {
          Value from = k.at(k.at(quads, k.mul(quad, quadBytes)), i * quadBytes);
          Int8Dot::Parts prepared;
          int64_t offset = 0;
          for (Type type : partTypes) {
            prepared.push_back(k.load(type, k.at(from, offset)));
            offset += bytesOf(type);
          }
          for (auto [index, row] : llvm::enumerate(rows)) {
            Value x = k.at(k.at(row.data, k.mul(quad, 4)), 4 * i);
            Int8Dot::Parts own(ArrayRef<Value>(next).slice(index * parts, parts));
            llvm::copy(dot.step(k, weights, own, prepared, x), next.begin() + index * parts);
          }
        }
        return next;
      });
  VectorType floats = k.vec(k.f32());
  Scaling scaling{k.load(floats, k.at(buffer, scaleOffset(group))),
                  hasMinimum ? k.load(floats, k.at(buffer, minimumOffset(group))) : Value()};
  for (auto [index, row] : llvm::enumerate(rows)) {
    Value destination =
        k.at(arguments.destination, k.mul(k.add(firstRow, index), arguments.stride));
    destination = k.at(destination, group * Lanes * 4);
    Int8Dot::Parts own(ArrayRef<Value>(results).slice(index * parts, parts));
    k.store(addBlock(scaling, row, own, k.load(floats, destination)), destination);
  }
}

void Int8Tile::emitRows(Value block, Value firstRow, int64_t rowTile) {
  Value data = k.at(arguments.data, k.add(k.mul(block, arguments.blockStride),
                                          k.mul(firstRow, arguments.rowStride)));
  Value offset = k.add(k.mul(block, arguments.scaleStride), k.mul(firstRow, 4));
  SmallVector<BlockRow> rows;
  for (int64_t row = 0; row < rowTile; ++row)
    rows.push_back(rowOf(data, offset, row));
  for (int64_t group = 0; group < PanelGroups; ++group)
    emitGroup(rows, firstRow, group);
}

void Int8Tile::emitManyRows() {
  // Room for parts of up to 128 bytes a quad, and the scales.
  constexpr int64_t BufferBytes = PanelGroups * Quads * 128 + 2 * PanelRows * 4;
  Value size = k.constant(BufferBytes);
  buffer = LLVM::AllocaOp::create(k.builder(), k.getLoc(), k.ptr(), k.i8(), size, 64);
  k.forLoop(k.constant(0), arguments.rows, 1, [&](Value row) {
    Value destination = k.at(arguments.destination, k.mul(row, arguments.stride));
    for (int64_t group = 0; group < PanelGroups; ++group)
      k.store(k.splat(0.0f), k.at(destination, group * Lanes * 4));
  });
  int64_t rowTile = target.rowTile;
  Value whole = k.mul(k.div(arguments.rows, rowTile), rowTile);
  k.forLoop(k.constant(0), arguments.wholeSteps, 1, [&](Value block) {
    Value step = k.at(arguments.panel, k.mul(block, format.stepBytes()));
    k.prefetch(k.at(step, PrefetchBytes), format.stepBytes());
    unpackBlock(step);
    k.forLoop(k.constant(0), whole, rowTile, [&](Value row) { emitRows(block, row, rowTile); });
    k.forLoop(whole, arguments.rows, 1, [&](Value row) { emitRows(block, row, 1); });
  });
}

void lathe::compiler::emitInt8Tile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                                   const TileArguments &arguments) {
  Int8Tile tile(k, kind, target, arguments);
  if (kind.manyRows)
    tile.emitManyRows();
  else
    tile.emitOneRow();
}
