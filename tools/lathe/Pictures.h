//===- Pictures.h - What a model and its schedule look like -----*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_PICTURES_H
#define LATHE_TOOLS_LATHE_PICTURES_H

#include "tools/lathe/Inspection.h"
#include "tools/lathe/KernelBench.h"
#include "tools/lathe/Svg.h"

namespace lathe::cli {

/// All measured kernels under the machine's limits.
SvgPicture drawRoofline(const KernelTimes &Times);

/// The ops of an entry, fused into phases, from top to bottom.
SvgPicture drawGraph(const ScheduleEntry &Entry);

/// The arena of an entry: offsets over phases, and the lower bound.
SvgPicture drawMemory(const ScheduleEntry &Entry);

/// One page with everything, which needs nothing from outside of it.
std::string htmlPage(const Inspection &Facts, const KernelTimes &Times);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_PICTURES_H
