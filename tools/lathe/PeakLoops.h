//===- PeakLoops.h - Loops that reach a processor's limits ------*- C++ -*-===//
//
// The fastest that the instructions can go that kernels are made of: independent
// products into registers, and reading alone.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_PEAKLOOPS_H
#define LATHE_TOOLS_LATHE_PEAKLOOPS_H

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// The loops of one level of the processor.
struct PeakLoops {
  /// Runs `Rounds` rounds.
  struct Compute {
    void (*Run)(int64_t Rounds);
    double OperationsPerRound; ///< Multiplications and additions.
  };
  /// Instructions of a round.
  static constexpr int Sums = 10;
  std::vector<std::string_view> Features; ///< That the processor must have.
  Compute Int8, BF16, F32;
  Compute Chain; ///< As F32, each product waiting for the one before.
  Compute Load;  ///< Loads from the nearest cache alone, each an operation.
  /// Reads `Bytes`, a multiple of 512, from an address that is a multiple of 64.
  void (*Read)(const uint8_t *From, size_t Bytes);
};

/// Of the levels that this processor has, the highest; null when it has none.
const PeakLoops *findPeakLoops();

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_PEAKLOOPS_H
