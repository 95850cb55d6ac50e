//===- ByteTile.cpp - Tiles of unsigned int8 activations -------------------===//
//
// Quads of k meet in the innermost loop.  Sums of 128 k are exact in int32; they are
// scaled to f32 and added in the order of k to what is in the destination, which begins
// with what the least elements of the rows stand for.  The weights of 128 k stay in the
// nearest cache while all rows pass.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/TileEmitter.h"
#include "compiler/target/cpu/TileModel.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// A quad of k.
static constexpr int64_t QuadBytes = 4;

namespace {

class ByteTile {
public:
  ByteTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
           const TileArguments &arguments)
      : k(k), kind(kind), format(*kind.format), target(target), arguments(arguments) {}

  void emit();

private:
  using Sums = SmallVector<Value>; ///< [rows][groups] of vector<16xi32>.

  void emitLows();
  void emitBlock(Value block, Value number, int64_t quads);
  void emitTile(Value block, Value number, int64_t quads, Value firstRow, int64_t rows,
                int64_t firstGroup, int64_t groups);
  Sums addQuad(Value block, Value quad, int64_t firstGroup, ArrayRef<Value> rows, ValueRange sums);
  Value dot(Value sums, Value rows, Value weights);
  Value placeOf(Value row, int64_t group) {
    Value own = k.at(arguments.destination, k.mul(row, arguments.stride));
    return k.at(own, group * Lanes * 4);
  }

  KernelBuilder &k;
  const TileKind &kind;
  const WeightFormat &format;
  const CpuTarget &target;
  const TileArguments &arguments;
};

} // namespace

/// Without an instruction for it, of pairs of int16: the even bytes, then the odd ones.
Value ByteTile::dot(Value sums, Value rows, Value weights) {
  if (target.byteDot)
    return target.byteDot(k, sums, k.bitcast(rows, k.vec(k.i8(), 4 * Lanes)), weights);
  VectorType words = k.vec(k.i16(), 2 * Lanes);
  Value x = k.bitcast(rows, words), w = k.bitcast(weights, words);
  Value byte = k.splatInt(k.i16(), 8, 2 * Lanes), low = k.splatInt(k.i16(), 0xff, 2 * Lanes);
  OpBuilder &b = k.builder();
  Value raised = arith::ShLIOp::create(b, k.getLoc(), w, byte);
  Value even = arith::ShRSIOp::create(b, k.getLoc(), raised, byte);
  sums = target.int16Dot(k, sums, even, arith::AndIOp::create(b, k.getLoc(), x, low));
  Value odd = arith::ShRSIOp::create(b, k.getLoc(), w, byte);
  return target.int16Dot(k, sums, odd, arith::ShRUIOp::create(b, k.getLoc(), x, byte));
}

ByteTile::Sums ByteTile::addQuad(Value block, Value quad, int64_t firstGroup, ArrayRef<Value> rows,
                                 ValueRange sums) {
  Sums next(sums.begin(), sums.end()), weights;
  auto groups = static_cast<int64_t>(next.size() / rows.size());
  for (int64_t group = 0; group < groups; ++group)
    weights.push_back(format.bytes(k, block, quad, k.constant(firstGroup + group)));
  for (auto [row, data] : llvm::enumerate(rows)) {
    Value x = k.broadcast(k.load(k.i32(), k.at(data, k.mul(quad, QuadBytes))));
    for (int64_t group = 0; group < groups; ++group) {
      Value &sum = next[row * groups + group];
      sum = dot(sum, x, weights[group]);
    }
  }
  return next;
}

/// Block `number`, of `quads` quads, of some rows and the outputs of some groups.
void ByteTile::emitTile(Value block, Value number, int64_t quads, Value firstRow, int64_t rows,
                        int64_t firstGroup, int64_t groups) {
  SmallVector<Value> data;
  Value from = k.at(arguments.data, k.mul(number, format.blockElements()));
  for (int64_t row = 0; row < rows; ++row)
    data.push_back(k.at(from, k.mul(k.add(firstRow, row), arguments.rowStride)));
  Sums sums(rows * groups, k.splatInt(k.i32(), 0));
  sums = k.forLoop(k.constant(0), k.constant(quads), 1, sums, [&](Value quad, ValueRange carried) {
    return addQuad(block, quad, firstGroup, data, carried);
  });
  Value scales = k.at(arguments.scales, k.mul(number, arguments.scaleStride));
  for (int64_t row = 0; row < rows; ++row) {
    Value own = k.add(firstRow, row), scale = k.loadSplat(k.at(scales, k.mul(own, 4)));
    for (int64_t group = 0; group < groups; ++group) {
      Value factor = format.blockScales(k, block, k.constant(firstGroup + group));
      Value place = placeOf(own, firstGroup + group), sum = sums[row * groups + group];
      Value before = k.load(k.vec(k.f32()), place);
      k.store(k.fma(k.mulf(scale, factor), k.toFloat(sum), before), place);
    }
  }
}

/// All rows: in whole tiles, and then in powers of two.
void ByteTile::emitBlock(Value block, Value number, int64_t quads) {
  if (target.prefetchBytes > 0)
    k.prefetch(k.at(block, target.prefetchBytes), format.blockBytes());
  auto most = static_cast<int64_t>(llvm::bit_floor(static_cast<uint64_t>(target.floatRowTile)));
  SmallVector<int64_t> tiles = {target.floatRowTile};
  for (int64_t tile = most; tile > 0; tile /= 2)
    if (tile != target.floatRowTile)
      tiles.push_back(tile);
  Value first = k.constant(0);
  for (int64_t tile : tiles) {
    int64_t groups = chooseColumns(target, tile) / Lanes;
    Value end = k.add(first, k.mul(k.div(k.sub(arguments.rows, first), tile), tile));
    k.forLoop(first, end, tile, [&](Value row) {
      for (int64_t group = 0; group < PanelGroups; group += groups)
        emitTile(block, number, quads, row, tile, group, groups);
    });
    first = end;
  }
}

void ByteTile::emitLows() {
  k.forLoop(k.constant(0), arguments.rows, 1, [&](Value row) {
    Value low = k.loadSplat(k.at(arguments.lows, k.mul(row, 4)));
    for (int64_t group = 0; group < PanelGroups; ++group) {
      Value sums = format.outputSums(k, arguments.panel, k.constant(group));
      k.store(k.mulf(low, sums), placeOf(row, group));
    }
  });
}

void ByteTile::emit() {
  emitLows();
  auto blockAt = [&](Value number) {
    return k.at(arguments.panel, k.mul(number, format.stepBytes()));
  };
  k.forLoop(k.constant(0), arguments.wholeSteps, 1, [&](Value number) {
    emitBlock(blockAt(number), number, format.blockElements() / QuadBytes);
  });
  if (kind.rest)
    emitBlock(blockAt(arguments.wholeSteps), arguments.wholeSteps, kind.rest / QuadBytes);
}

void lathe::compiler::emitByteTile(KernelBuilder &k, const TileKind &kind, const CpuTarget &target,
                                   const TileArguments &arguments) {
  ByteTile(k, kind, target, arguments).emit();
}
