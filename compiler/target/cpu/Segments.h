//===- Segments.h - The independent parts of a column phase -----*- C++ -*-===//
//
// A phase over columns computes one or more contractions of the same rows.
// Those whose results meet in an epilogue (gate and up; k and v, which go into
// the cache together) form a segment and are computed tile by tile together;
// other segments (q beside k and v) are only neighbours in the list of tiles.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_SEGMENTS_H
#define LATHE_COMPILER_TARGET_CPU_SEGMENTS_H

#include "dialects/Step/StepOps.h"

namespace lathe::compiler {

struct Segment {
  llvm::SmallVector<ir::LinearOp, 2> linears;    ///< All with the same number of outputs.
  llvm::SmallVector<step::StoreOp, 2> stores;    ///< What the epilogue ends in.
  llvm::SmallVector<ir::RMSNormOp, 1> headNorms; ///< Of the epilogue, in program order.
  llvm::SmallVector<ir::KVAppendOp, 1> appends;  ///< Of the epilogue.
  int64_t outputs = 0;
  int64_t tileColumns = 0; ///< A multiple of 32 that holds whole heads.
  int64_t lanes = 0;       ///< Width of the epilogue's vectors, one chunk.
  int64_t headColumns = 0; ///< Of a head; one chunk where there are no heads.
  /// Chunks of a head after which the epilogue may do something else: at the
  /// second half of rope's pairs, and behind its last pair.
  int64_t period = 1;
  /// Contractions of experts, in segments of these; outputs are those of one expert.
  llvm::SmallVector<ir::ExpertLinearOp, 2> experts;

  /// How many of the outputs are computed, the others being 0; null: all.
  mlir::Value width;

  int64_t tiles() const { return (outputs + tileColumns - 1) / tileColumns; }
  /// What a tile costs beside the others of the phase.
  int64_t tileCost() const;
};

/// The part of a row that one elementwise op works on at a time, in a phase
/// without a contraction: a head where there are heads.
Segment makeElementwiseSegment(mlir::Operation *op);

/// The segments of a phase, in program order; failure when contractions that
/// meet have different sizes.
mlir::FailureOr<llvm::SmallVector<Segment>> findSegments(step::PhaseOp phase);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_SEGMENTS_H
