//===- GpuKernels.h - What the kernels of a model take of a GPU -*- C++ -*-===//
//
// The compiler's report (lathe_compile_request::emit "resources"), read back; docs/gpu.md
// has its members.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_GPUKERNELS_H
#define LATHE_TOOLS_LATHE_GPUKERNELS_H

#include "tools/lathe/ModelArguments.h"

#include <optional>
#include <string>

namespace lathe::cli {

/// Whether `Target` names a generation of GPUs.
bool isGpuTarget(std::string_view Target);

/// The report as JSON; nullopt with E0512 and others when the compiler makes none.
std::optional<std::string> askGpuKernels(const std::string &Path, const TargetArguments &Target,
                                         Diagnostics &Diags);

/// The report as tables; nullopt with E0611 when it is none.
std::optional<std::string> gpuKernelsText(const std::string &Report, Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_GPUKERNELS_H
