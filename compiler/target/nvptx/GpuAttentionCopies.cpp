//===- GpuAttentionCopies.cpp - Keys and values in shared memory -----------===//

#include "compiler/target/nvptx/GpuAttentionCopies.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr int64_t PieceBytes = 16;

/// Pieces of keys lie where lanes that read a fragment meet every bank once.
static Value swizzle(GpuBuilder &k, Value piece, int64_t warpPositions) {
  OpBuilder &b = k.builder();
  Value row = arith::ShRUIOp::create(b, k.getLoc(), piece, k.constant(2));
  Value bits = arith::AndIOp::create(b, k.getLoc(), row, k.constant(warpPositions == 16 ? 6 : 2));
  return arith::XOrIOp::create(b, k.getLoc(), piece, bits);
}

/// The keys of the warp's positions: [dim / 2][positions][2].
void AttentionCopies::copyKeys(Value turn) {
  constexpr int64_t rowBytes = Lanes * 4;
  const int64_t perRow = shape.warpPositions * 4 / PieceBytes;
  Value head = k.div(run.group, shape.headGroups);
  Value from = c.cachePointer(type, run.sequence, head, k.div(turn, shape.splitTurns));
  Value first = k.add(k.mul(k.rem(turn, shape.splitTurns), shape.positions),
                      k.mul(c.warp, shape.warpPositions));
  from = k.at(from, k.mul(k.div(first, Lanes), shape.dim / 2 * rowBytes));
  from = k.at(from, k.mul(k.rem(first, Lanes), 4));
  k.strided(c.lane, k.constant(shape.keyBytes() / PieceBytes), WarpThreads, [&](Value item) {
    Value place = k.at(from, k.mul(k.div(item, perRow), rowBytes));
    place = k.at(place, k.mul(k.rem(item, perRow), PieceBytes));
    Value to = k.mul(swizzle(k, item, shape.warpPositions), PieceBytes);
    k.copyAsync(k.at(keys, to), place, PieceBytes);
  });
}

/// The values' elements of the warp: [tile][positions / 2][8][2 positions].  Of 16 pairs of
/// positions those that are read together, every fourth one, are neighbours.  Warps that have
/// none take the last ones again; nobody reads what they make of them.
void AttentionCopies::copyValues(Value turn) {
  constexpr int64_t rowBytes = ProductColumns * 4, perRow = rowBytes / PieceBytes;
  const int64_t inPair = perRow * shape.valueTiles;
  Value head = k.div(run.group, shape.headGroups);
  Value from = c.cachePointer(type, run.sequence, head, k.div(turn, shape.splitTurns));
  from = k.at(from, AttentionSplit * shape.dim * 2);
  from = k.at(from, k.mul(k.rem(turn, shape.splitTurns), shape.positions * shape.dim * 2));
  Value last = k.constant(shape.dim / ProductColumns - 1);
  k.strided(c.lane, k.constant(shape.valueBytes() / PieceBytes), WarpThreads, [&](Value item) {
    Value pair = k.div(item, inPair), rest = k.rem(item, inPair);
    Value own = k.div(rest, perRow), offset = k.mul(k.rem(rest, perRow), PieceBytes);
    Value tile = k.min(k.add(k.mul(c.warp, shape.valueTiles), own), last);
    Value place = k.at(k.at(from, k.mul(pair, shape.dim * 4)), k.mul(tile, rowBytes));
    Value in16 = k.rem(pair, 16), row = k.add(k.mul(k.rem(in16, 4), 4), k.div(in16, 4));
    row = k.add(k.add(k.mul(k.div(pair, 16), 16), row), k.mul(own, shape.positions / 2));
    Value to = k.add(k.mul(row, rowBytes), offset);
    k.copyAsync(k.at(values, to), k.at(place, offset), PieceBytes);
  });
}

/// Behind the last read, by any lane of the warp, of what is copied over.
void AttentionCopies::copyAhead(Value turn, llvm::function_ref<void()> copy) {
  k.warpBarrier();
  k.ifThen(k.less(turn, run.high), copy);
  k.closeCopies();
}

void AttentionCopies::wait() {
  k.waitForCopies(1);
  k.warpBarrier();
}

void AttentionCopies::start() {
  copyKeys(run.low);
  k.closeCopies();
  copyValues(run.low);
  k.closeCopies();
}

void AttentionCopies::followKeys(Value next) {
  copyAhead(next, [&] { copyKeys(next); });
}

void AttentionCopies::followValues(Value next) {
  copyAhead(next, [&] { copyValues(next); });
}

Value AttentionCopies::keyWords(Value pair, Value word) {
  Value bytes = k.add(k.mul(pair, shape.warpPositions * 4), k.mul(word, 4));
  Value piece = swizzle(k, k.div(bytes, PieceBytes), shape.warpPositions);
  return k.at(keys, k.add(k.mul(piece, PieceBytes), k.rem(bytes, PieceBytes)));
}

Value AttentionCopies::valueWords(int64_t tile, Value pair, Value element) {
  constexpr int64_t rowBytes = ProductColumns * 4;
  Value place = k.at(values, tile * shape.positions / 2 * rowBytes);
  return k.at(k.at(place, k.mul(pair, rowBytes)), k.mul(element, 4));
}
