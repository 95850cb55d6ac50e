//===- HeadPhase.h - The phase of an output head that is screened -*- C++ -*-===//
//
// A few rows times a matrix, of which the caller wants the greatest products: a
// worker bounds those of its panels by the coarse weights, computes the ones with
// the highest bounds, meets the others, and computes what may still be among the
// greatest.  Coarse weights are read once for all rows; what follows is done row by
// row.  docs/head-screening.md has the steps and the proof.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_HEADPHASE_H
#define LATHE_COMPILER_TARGET_CPU_HEADPHASE_H

#include "compiler/target/cpu/HeadScan.h"

#include "lathe/abi.h"

#include <cstddef>
#include <limits>

namespace lathe::compiler {

/// Emits the phase of one `lathe.head_topk`.
class HeadPhase {
public:
  HeadPhase(PhaseContext &context, ir::HeadTopkOp head)
      : c(context), k(context.k), head(head),
        type(mlir::cast<mlir::RankedTensorType>(head.getWeight().getType())),
        outputs(type.getDimSize(0)), panels((outputs + PanelRows - 1) / PanelRows),
        steps(panelSteps(head.getWeight())), maxRows(context.maxRows()) {}

  mlir::LogicalResult emit();

private:
  using Carried = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange)>;

  void allocate();
  llvm::SmallVector<mlir::Value> forRows(mlir::ValueRange inits, Carried body);
  mlir::Value emitNorms();
  void emitWhole(mlir::Value firstRow, mlir::Value rows, int64_t mostRows = 0);
  void emitScreened(mlir::Value wanted);
  void emitScan();
  void emitRuledOut();
  void emitLeaders(mlir::Value wanted);
  mlir::Value pickLeaders(mlir::Value list, mlir::Value most);
  void takeBest(const Found &panel, mlir::Value place);
  mlir::Value emitThreshold(mlir::Value wanted);
  Found nextLeader(const Found &last, mlir::Value owner);
  llvm::SmallVector<mlir::Value> emitSurvivors(mlir::Value threshold, mlir::ValueRange carried);
  void collect(mlir::Value threshold);
  void collectPanel(mlir::Value panel, mlir::Value threshold);
  void emitBatches(mlir::Value count);
  void evaluate(mlir::Value list, mlir::Value count, mlir::Value ahead, mlir::Value values);
  void report(mlir::Value computed, mlir::Value whole);
  /// A field of the step's arguments.
  mlir::Value argument(mlir::Type type, int64_t offset) {
    return k.load(type, k.at(c.argsPointer, offset));
  }
  /// 2 to the power of `number`, an i64 from 0 to 63.
  mlir::Value bit(mlir::Value number) {
    return mlir::arith::ShLIOp::create(k.builder(), k.getLoc(), k.constant(1), number);
  }
  mlir::Value allOf(mlir::Value rows) { return k.mul(k.mul(ownPanels(), PanelRows), rows); }
  /// The part of private memory that belongs to `row`.
  mlir::Value own(mlir::Value memory, int64_t rowBytes) {
    return k.at(memory, k.mul(row, rowBytes));
  }
  mlir::Value ownBounds() { return own(bounds, boundsBytes()); }
  mlir::Value ownMaxima() { return own(maxima, maximaBytes()); }
  mlir::Value ownExacts() { return own(exacts, ExactsBytes); }
  int64_t boundsBytes() const { return 4 * PanelRows * panels; }
  int64_t maximaBytes() const { return 4 * (panels + Lanes); }
  /// Rows that are computed together, as one panel.
  static constexpr int64_t Batch = PanelRows;
  /// A worker computes all of its panels when more than one row of so many survives.
  static constexpr int64_t FewestRuledOut = 8;
  /// Leaders beyond the wanted ones: they make the threshold sharp.
  static constexpr int64_t MoreLeaders = 15;
  static constexpr int64_t MostLeaders =
      (MostWantedLogits + MoreLeaders + Batch - 1) / Batch * Batch;
  static constexpr int64_t ExactsBytes = 4 * MostLeaders;
  static constexpr float Infinity = std::numeric_limits<float>::infinity();

  mlir::Value survives(mlir::Value bound, mlir::Value threshold) {
    // A NaN survives.
    return k.compare(mlir::arith::CmpFPredicate::UGE, bound, threshold);
  }
  mlir::Value ownPanels() { return k.sub(to, from); }
  PanelPointers panelAt(KernelBuilder &b, mlir::Value matrix, mlir::Value number) {
    return emitPanelPointers(b, matrix, type, number);
  }

  PhaseContext &c;
  KernelBuilder &k;
  ir::HeadTopkOp head;
  mlir::RankedTensorType type;
  int64_t outputs, panels, steps, maxRows;
  mlir::Value matrix, from, to; ///< The packed weight; this worker's panels.
  mlir::Value row;              ///< i64: the one that is worked on.
  HeadInput input;

  // Private memory.
  /// f32 [rows][own panels][32]; -infinity once one is a leader.
  mlir::Value bounds;
  /// f32 [rows][own panels, filled up to 16 with -infinity]: the greatest of each.
  mlir::Value maxima;
  mlir::Value leaders;   ///< i64 [Batch]: rows of the matrix.
  mlir::Value counts;    ///< i64 [rows]: how many leaders.
  mlir::Value survivors; ///< i64 [most + Batch]: rows of the matrix.
  mlir::Value counter;   ///< i64: how many survivors.
  /// f32 [rows][MostLeaders]: leaders' logits, -infinity where there is none.
  mlir::Value exacts;
  mlir::Value staged;  ///< A packed panel of rows from anywhere, and its tail.
  mlir::Value results; ///< f32 [rows][32]
  mlir::Value cell;    ///< 16 bytes for emitNext.
  int64_t exactsOffset = 0;
  unsigned parts = 0; ///< Functions made for rows from anywhere; they come out the same.
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_HEADPHASE_H
