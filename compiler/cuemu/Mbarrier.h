//===- Mbarrier.h - Barriers in shared memory -------------------*- C++ -*-===//

#ifndef LATHE_COMPILER_CUEMU_MBARRIER_H
#define LATHE_COMPILER_CUEMU_MBARRIER_H

#include "compiler/cuemu/RaceChecker.h"

namespace lathe::cuemu {

/// An mbarrier.  A phase is complete when all arrivals and all expected bytes have come.
struct Mbarrier {
  uint32_t number = 0; ///< In its block.
  uint32_t count = 0;  ///< Arrivals of a phase.
  uint32_t missing = 0;
  int64_t bytes = 0; ///< That are expected, less those that have come.
  uint64_t phase = 0;
  uint32_t copies = 0; ///< That have come.
  /// What those know that have arrived in this phase, and up to the last complete one.
  ThreadClock telling, told;

  void completePhase() {
    if (missing != 0 || bytes != 0)
      return;
    ++phase;
    missing = count;
    told.join(telling);
  }
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_MBARRIER_H
