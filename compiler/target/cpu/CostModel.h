//===- CostModel.h - What phases should cost on a machine -------*- C++ -*-===//
//
// Predicts the time of a phase from what its ops say of themselves (CostOpInterface)
// and from measured numbers of a machine.  docs/cost-model.md has the formulas.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_COSTMODEL_H
#define LATHE_COMPILER_TARGET_CPU_COSTMODEL_H

#include "compiler/target/cpu/PhaseEmitter.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace lathe::compiler {

/// Measured numbers of a machine, each with all of its workers busy.
struct Machine {
  struct ReadSpeed {
    int64_t bytes;         ///< Size of what is read again and again.
    double bytesPerSecond; ///< Of all workers together.
  };
  int64_t workers = 1;
  llvm::SmallVector<ReadSpeed> read;  ///< Ascending by bytes; never empty.
  double int8 = 0, bf16 = 0, f32 = 0; ///< Multiplications and additions per second.
  double barrierSeconds = 0;

  /// Bytes per second for a footprint: between two that were measured it is
  /// interpolated over the logarithm of the size.
  double readSpeed(int64_t footprint) const;

  /// Reads the object that docs/cost-model.md describes.
  static llvm::Expected<Machine> parse(llvm::StringRef text);
};

/// What a phase does once, for all rows of a step.
struct PhaseWork {
  int64_t weightBytes = 0;             ///< As the ops tell.
  int64_t cacheBytes = 0;              ///< Of the KV cache, read and written.
  int64_t activationBytes = 0;         ///< Of the arena and the logits, read and written.
  int64_t int8 = 0, bf16 = 0, f32 = 0; ///< Operations by the arithmetic that does them.
  int64_t repeated = 0;                ///< Of f32: what every worker does for itself.
  int64_t multiplyAdds = 0;            ///< Of contractions and attention.
};

/// The work of a step of `rows` rows that follow `depth` positions, of which
/// `logitsRows` want logits.
/// `dotsPairs`: attention whose products are of bf16 is by bf16, and not by f32.
PhaseWork computeWork(step::PhaseOp phase, int64_t rows, int64_t logitsRows, int64_t depth,
                      bool dotsPairs);

/// What bounds a phase.
struct PhaseLimit {
  double bytesSeconds = 0;      ///< All bytes at the speed of memory.
  double operationsSeconds = 0; ///< All operations at the peaks.
  double busiestShare = 1;      ///< See PhaseTiles.
  int64_t workers = 1;

  bool boundByBytes() const { return bytesSeconds >= operationsSeconds; }
  /// The time that no schedule on this machine could beat.
  double seconds() const { return std::max(bytesSeconds, operationsSeconds); }
  /// The time of the busiest worker, without the barrier.
  double predictedSeconds() const { return seconds() * std::max(1.0, busiestShare * workers); }
};

/// Sizes that decide which memory the bytes of a phase come from.
struct Footprint {
  int64_t weights = 0;     ///< Weights and KV cache that a whole step reads.
  int64_t activations = 0; ///< The arena.
};

PhaseLimit computeLimit(const Machine &machine, const PhaseWork &work, const PhaseTiles &tiles,
                        const Footprint &footprint);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_COSTMODEL_H
