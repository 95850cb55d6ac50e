//===- GpuAttentionShape.cpp - Sizes and memory of attention ---------------===//

#include "compiler/target/nvptx/GpuAttentionShape.h"

#include "compiler/target/nvptx/GpuAttentionParts.h"
#include "compiler/target/nvptx/GpuAttentionState.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

AttentionShape::AttentionShape(ir::AttentionOp op, int64_t maxRows) {
  constexpr int64_t mostTiles = 4, narrow = 64;
  ir::KVType type = op.getCache().getType();
  dim = type.getHeadDim();
  positions = dim <= narrow ? 128 : 64;
  warpPositions = positions / BlockWarps;
  keyTiles = warpPositions / ProductColumns;
  valueTiles = llvm::divideCeil(dim / ProductColumns, BlockWarps);
  splitTurns = AttentionSplit / positions;
  int64_t shared = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1) / type.getHeads();
  tiles = std::min<int64_t>(mostTiles, llvm::divideCeil(maxRows * shared, TileQueries));
  while (sharedBytes() > SharedBytes)
    --tiles;
  headGroups = 1;
  while (shared % headGroups != 0 || shared / headGroups > tiles * TileQueries)
    ++headGroups;
  groups = type.getHeads() * headGroups;
  queries = shared / headGroups;
}

int64_t AttentionShape::queryRest() const {
  constexpr int64_t banksBytes = 128;
  return llvm::alignTo(dim * 2, banksBytes);
}

/// Lanes that read 8 bytes each of four neighbouring rows meet every bank once.
int64_t AttentionShape::queryStride() const { return 2 * queryRest() + 32; }

int64_t AttentionShape::sharedBytes() const {
  int64_t each =
      queryStride() + weightStride() + AttentionState::Bytes + 2 * AttentionState::WarpValuesBytes;
  return BlockWarps * (keyBytes() + valueBytes()) + tiles * TileQueries * each;
}

AttentionMemory::AttentionMemory(GpuContext &c, const AttentionShape &shape) {
  auto allocate = [&](int64_t each) { return c.allocateShared(shape.tiles * TileQueries * each); };
  keys = c.allocateShared(BlockWarps * shape.keyBytes());
  values = c.allocateShared(BlockWarps * shape.valueBytes());
  query = allocate(shape.queryStride());
  weights = allocate(shape.weightStride());
  states = allocate(AttentionState::Bytes);
  greatest = allocate(AttentionState::WarpValuesBytes);
  sums = allocate(AttentionState::WarpValuesBytes);
}

AttentionSplits lathe::compiler::emitRunSplits(GpuBuilder &k, ir::AttentionOp op, Value position,
                                               Value part) {
  AttentionParts of = emitAttentionParts(k, op, position);
  if (!part)
    return {of.firstSplit, of.splits, of.splitsOfPart};
  return {k.max(of.firstSplit, k.mul(part, of.splitsOfPart)),
          k.min(of.splits, k.mul(k.add(part, 1), of.splitsOfPart)), of.splitsOfPart};
}
