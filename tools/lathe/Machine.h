//===- Machine.h - Measured numbers of this machine -------------*- C++ -*-===//
//
// What the compiler's cost model needs to know of a machine (docs/cost-model.md):
// how fast all workers together read memory and compute, and what a barrier
// costs.  Measured in about a second, and kept in the user's cache.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_MACHINE_H
#define LATHE_TOOLS_LATHE_MACHINE_H

#include "tools/lathe/Terminal.h"

#include "runtime/workers/WorkerPool.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

struct MachineNumbers {
  struct ReadSpeed {
    int64_t Bytes;         ///< Of the memory that is read again and again.
    double BytesPerSecond; ///< Of all workers together.
  };
  std::string CPU; ///< hostDescription() of where this was measured.
  int64_t Workers = 0;
  std::vector<ReadSpeed> Read; ///< Ascending by Bytes.
  /// Multiplications and additions per second of all workers together.
  double Int8 = 0, BF16 = 0, F32 = 0;
  double BarrierSeconds = 0;
  /// What one core takes for a vector instruction, with all workers busy: docs/cost-model.md.
  double MultiplyAddSeconds = 0, MultiplyAddLatencySeconds = 0, Int8StepSeconds = 0,
         LoadSeconds = 0;
  int64_t NearestCacheBytes = 0;

  /// The object that docs/cost-model.md describes.
  std::string json() const;

  /// Overrides what `Text`, such an object or a part of it, names.  False with
  /// E0112 when it cannot be used.
  bool override(std::string_view Text, const std::string &Where, Diagnostics &Diags);

  /// Takes the faster of both for every number.
  void keepBest(const MachineNumbers &Other);

  /// Those of a core as they stand behind a target's colon.
  std::string targetNumbers() const;

  /// All numbers are there.
  bool isWhole() const;
};

/// Measures now.  Nullopt with E0604 on a CPU without AVX2, E0810 without memory.
std::optional<MachineNumbers> measureMachine(WorkerPool &Workers, Diagnostics &Diags);

/// From the user's cache where they were measured on this CPU with as many workers,
/// else measured and stored there.
std::optional<MachineNumbers> knownMachine(WorkerPool &Workers, Terminal *Term, Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_MACHINE_H
