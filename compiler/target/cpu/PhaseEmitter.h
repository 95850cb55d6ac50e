//===- PhaseEmitter.h - Code for whole phases -------------------*- C++ -*-===//
//
// An emitter makes the code of the phases it matches.  Emitters register; the
// first that matches is asked.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_PHASEEMITTER_H
#define LATHE_COMPILER_TARGET_CPU_PHASEEMITTER_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

/// Tiles of one shape.
struct TileGroup {
  llvm::SmallVector<mlir::Operation *, 2> contractions; ///< Computed together, tile by tile.
  int64_t columns = 0;                                  ///< Of the result, in a tile.
  int64_t rows = 0;                                     ///< That pass a tile at a time, at most.
  int64_t count = 0;
};

/// How the work of a phase is divided.
struct PhaseTiles {
  llvm::SmallVector<TileGroup> groups;
  /// The part of the work that the busiest worker does; an even share is one
  /// over the number of workers.
  double busiestShare = 1;
};

struct PhaseEmitter {
  /// Whether the emitter has code for the phase.
  bool (*match)(step::PhaseOp phase);
  /// Emits the body of the kernel.
  llvm::LogicalResult (*emit)(PhaseContext &context);
  /// The tiles of a step of `rows` rows after `depth` positions, for reports and
  /// predictions.
  PhaseTiles (*divide)(step::PhaseOp phase, const CpuTarget &target, int64_t rows, int64_t depth,
                       int64_t workers);
};

struct PhaseEmitterRegistration {
  explicit PhaseEmitterRegistration(PhaseEmitter emitter);
};

/// The emitter for the phase, or null.
const PhaseEmitter *findPhaseEmitter(step::PhaseOp phase);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_PHASEEMITTER_H
