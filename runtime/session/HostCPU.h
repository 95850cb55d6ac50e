//===- HostCPU.h - What the CPU we run on can do ----------------*- C++ -*-===//
//
// Asked before compiled code is called, so that a program for another CPU ends
// in a message and not in SIGILL.  A feature counts only when the operating
// system saves its registers too (XCR0, Intel SDM vol. 1, 13.3).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_HOSTCPU_H
#define LATHE_RUNTIME_SESSION_HOSTCPU_H

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// Whether this CPU has the feature of that LLVM name ("avx2", "avx512vnni").
/// False for names that are not known here.
bool hostHasFeature(std::string_view Name);

/// Tells of a feature's LLVM name whether some CPU has it.
using HasFeature = bool (*)(std::string_view Name);

/// Those of `Names` that the CPU lacks, in order.
std::vector<std::string> missingFeatures(std::span<const std::string> Names,
                                         HasFeature Has = hostHasFeature);

/// Model name and all known features that are present: "AMD EPYC ...: avx avx2
/// f16c fma".  Part of cache keys and of messages.
const std::string &hostDescription();

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_HOSTCPU_H
