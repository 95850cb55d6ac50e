//===- KernelBench.h - Times every kernel of a model alone ------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_KERNELBENCH_H
#define LATHE_TOOLS_LATHE_KERNELBENCH_H

#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/Schedule.h"

namespace lathe::cli {

/// What was measured in one run: the machine's limits ahead of and behind the
/// kernels (the better of both), and every phase and step beside its limit.
struct KernelTimes {
  MachineNumbers Machine;
  Schedule Plan; ///< Its cases and steps have `Measured`.
};

/// Compiles `File` and times each of its kernels alone on real weights, for the rows
/// that the schedule tells, after `Depth` positions.  Ahead of every sample the caches
/// are left as the rest of the step leaves them.  Nullopt on error; E0807 when it was
/// interrupted.
std::optional<KernelTimes> timeKernels(const GGUFFile &File, const ModelArguments &Arguments,
                                       int64_t Depth, Terminal &Term, Diagnostics &Diags);

/// All phases of all entries: microseconds, GB/s, Gop/s, and the share of the limit.
std::string kernelTable(const KernelTimes &Times);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_KERNELBENCH_H
