//===- GpuAttentionShape.h - Sizes and memory of attention ------*- C++ -*-===//
//
// What the parts of attention on tensor cores (GpuAttentionTile.h) have in common.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONSHAPE_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONSHAPE_H

#include "compiler/target/cpu/KVLayout.h"
#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

/// Queries that are rows of one product, and elements that it adds up.
inline constexpr int64_t TileQueries = 16, ProductDepth = 16;
/// Columns of a product: positions, and elements of values.
inline constexpr int64_t ProductColumns = 8;

/// Sizes that follow from the cache, and from how many queries meet the same keys at most.
struct AttentionShape {
  AttentionShape(ir::AttentionOp op, int64_t maxRows);

  int64_t dim;
  // A turn is what the block takes at a time; the same for every entry, as the bits depend on it.
  int64_t positions;     ///< Of a turn.
  int64_t warpPositions; ///< Of them, those whose scores a warp computes.
  int64_t keyTiles;      ///< Products beside each other for them,
  int64_t valueTiles;    ///< and for the elements of values that a warp has.
  int64_t splitTurns;    ///< Turns of a split.

  // Queries that share keys are in groups, each as if it had a key/value head of its own.
  int64_t headGroups, groups, queries; ///< Of a head; of a row; queries of a group.
  int64_t tiles;                       ///< Of 16 queries, at most.

  int64_t rowsOf(int64_t tiles) const { return tiles * TileQueries / queries; }
  /// Whether every warp has elements of values of its own.
  bool fillsWarps() const { return dim % (BlockWarps * ProductColumns) == 0; }

  // Bytes of shared memory: from one query to the next, and of a warp's keys or values.
  // Queries and weights are sums of two numbers each of the cache's type, and so keep the bits
  // of an f32, or of bf16 16 of them: the second ones are so many bytes behind.
  int64_t queryRest() const;
  int64_t weightRest() const { return positions * 2; }
  int64_t queryStride() const;
  int64_t weightStride() const { return 2 * weightRest() + 64; }
  int64_t keyBytes() const { return warpPositions * dim * 2; }
  int64_t valueBytes() const { return valueTiles * positions * 2 * ProductColumns; }
  int64_t sharedBytes() const;
};

/// What the block has in shared memory.
struct AttentionMemory {
  AttentionMemory(GpuContext &context, const AttentionShape &shape);

  mlir::Value keys, values;   ///< Of each warp its own.
  mlir::Value query, weights; ///< Of each query a row, of elements of the cache's type.
  mlir::Value states;         ///< Of each query, AttentionState.
  mlir::Value greatest, sums; ///< Of each query: f32 of each warp.
};

/// Neighbouring rows of one sequence, and a group of queries that share a head.
struct AttentionRun {
  mlir::Value row, rows;  ///< i64: the first one, how many.
  mlir::Value group;      ///< Of the row's.
  mlir::Value sequence;   ///< i64
  mlir::Value low, high;  ///< The turns that are some row's.
  mlir::Value part;       ///< i64; null: all parts of each row, one after the other.
  mlir::Value isOnlyPart; ///< With a part: whether no row has another.
};

/// The splits of a row that are of a run: i64.
struct AttentionSplits {
  mlir::Value begin, end, each; ///< `each` are in a part.
};
AttentionSplits emitRunSplits(GpuBuilder &k, ir::AttentionOp op, mlir::Value position,
                              mlir::Value part);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONSHAPE_H
