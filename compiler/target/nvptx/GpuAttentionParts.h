//===- GpuAttentionParts.h - Parts of the positions of a row ----*- C++ -*-===//
//
// The splits of 256 positions that a row sees are in up to 32 parts: one split each while
// there are no more.  Each part begins with a fresh state of the softmax, and parts become
// one in order.  So a block may compute all of them, or many blocks one each (split-KV), and
// the result depends on the position alone.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONPARTS_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONPARTS_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

/// The score of what is not seen: its exponential is 0.
inline constexpr float UnseenScore = -1.0e30f;

/// Rows of an entry whose parts the blocks share; more rows are enough for them.
inline constexpr int64_t MostSplitRows = 8;

/// Of one row; i64.
struct AttentionParts {
  mlir::Value firstSplit, splits; ///< The first that it sees, and one past the last.
  mlir::Value splitsOfPart;
  mlir::Value firstPart, parts; ///< Likewise.
};
AttentionParts emitAttentionParts(GpuBuilder &k, ir::AttentionOp op, mlir::Value position);

/// The oldest position that a row sees.
mlir::Value emitOldest(GpuBuilder &k, ir::AttentionOp op, mlir::Value position);

/// How the parts so far and one more become one.
struct AttentionMerge {
  mlir::Value greatest, before,
      part; ///< The greatest score, and what the sums are multiplied with.

  mlir::Value sum(GpuBuilder &k, mlir::Value soFar, mlir::Value own) const;
};
AttentionMerge emitAttentionMerge(GpuBuilder &k, mlir::Value before, mlir::Value part);

/// An element of the result, from a sum of weighted values and the sum of weights.
mlir::Value emitWeightedMean(GpuBuilder &k, mlir::Value total, mlir::Value sum);

/// Where all blocks find the parts of rows, and what puts them together.  A tile is a row and
/// one of `heads` groups of `queries` neighbouring queries.
class PartMemory {
public:
  PartMemory(GpuContext &context, ir::AttentionOp op, mlir::Value result, int64_t heads,
             int64_t queries);

  /// The most parts that a row has.
  mlir::Value emitMost();
  /// The sums of a part: f32 [queries][dim].
  mlir::Value sums(mlir::Value tile, mlir::Value part);
  /// The greatest score and the sum of weights of a query, of the part whose sums are at `sums`.
  mlir::Value state(mlir::Value sums, mlir::Value query);
  static constexpr int64_t Greatest = 0, Sum = 4;
  /// f32 [queries][dim], where the result of a tile goes.
  mlir::Value output(mlir::Value tile);
  /// Where there is more than one part, all blocks meet, and share the tiles.
  void emitMerged(mlir::Value most);

private:
  void emitTile(mlir::Value tile);

  GpuContext &c;
  GpuBuilder &k;
  ir::AttentionOp op;
  mlir::Value result;
  int64_t heads, queries, dim;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONPARTS_H
