//===- GpuAttentionState.h - The softmax of queries of a block --*- C++ -*-===//
//
// As Milakov and Gimelshein (2018) keep it over turns of positions, for a run of queries
// (GpuAttentionShape.h).  A thread has a query.  The state of a part begins anew in every part
// of the query's row; a state of all parts takes it over where the part ends.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONSTATE_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONSTATE_H

#include "compiler/target/nvptx/GpuAttentionShape.h"

namespace lathe::compiler {

class AttentionState {
public:
  AttentionState(GpuContext &context, ir::AttentionOp op, const AttentionShape &shape,
                 const AttentionMemory &memory, const AttentionRun &run, int64_t queries)
      : c(context), k(context.k), op(op), shape(shape), memory(memory), run(run), queries(queries) {
  }

  void prepare();
  /// Between the barriers of a turn, when warps have told the greatest of its scores: fills
  /// `Factor` and, in the last turn of `split`, `Before` and `Part`.
  void updateFactors(mlir::Value split, mlir::Value isLast);
  /// Behind both, when warps have told their sums of weights.
  void updateSums(mlir::Value split, mlir::Value isLast);
  /// The greatest score of a query, of the turn and before; between the barriers.
  mlir::Value emitGreatest(mlir::Value query);

  /// An f32 of a query: what sums so far are multiplied with in a turn; where a part ends,
  /// what those of the parts before and of the part are; the state of all parts.
  mlir::Value get(mlir::Value query, int64_t field);
  /// The i32 position of a query's row; -1 of a query that is not there.
  mlir::Value position(mlir::Value query);
  /// Whether the row of a query has splits of the run.
  mlir::Value isInRun(mlir::Value query);

  static constexpr int64_t Factor = 0, Before = 4, Part = 8, MergedGreatest = 12, MergedSum = 16;
  /// Of a query in `AttentionMemory::states`; in `greatest` and `sums`.
  static constexpr int64_t Bytes = 48, WarpValuesBytes = BlockWarps * 4;

private:
  // The part in progress: the greatest score ahead of the turn and behind it, the sum of
  // weights; of the row, i32: its position and its splits (AttentionSplits).
  static constexpr int64_t Greatest = 20, Next = 24, Sum = 28;
  static constexpr int64_t Position = 32, Begin = 36, End = 40, Each = 44;

  mlir::Value stateOf(mlir::Value query) { return k.at(memory.states, k.mul(query, Bytes)); }
  mlir::Value load(mlir::Value own, int64_t field) {
    return k.loadWide(k.f32(), k.at(own, field), 4);
  }
  mlir::Value loadInt(mlir::Value own, int64_t field) {
    return k.loadWide(k.i32(), k.at(own, field), 4);
  }
  void put(mlir::Value value, mlir::Value own, int64_t field) {
    k.storeWide(value, k.at(own, field), 4);
  }
  llvm::SmallVector<mlir::Value> loadWarps(mlir::Value memory, mlir::Value query);
  mlir::Value hasSplit(mlir::Value own, mlir::Value split);
  mlir::Value goesOn(mlir::Value own, mlir::Value split);
  void forQueries(KernelBuilder::Body body) { c.forThreads(k.constant(queries), body); }

  GpuContext &c;
  GpuBuilder &k;
  ir::AttentionOp op;
  const AttentionShape &shape;
  const AttentionMemory &memory;
  const AttentionRun &run;
  int64_t queries;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONSTATE_H
