//===- KernelNames.h - What the functions of phases are called --*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_KERNELNAMES_H
#define LATHE_COMPILER_TARGET_CPU_KERNELNAMES_H

#include "dialects/Step/StepOps.h"

#include "llvm/ADT/StringSet.h"

#include <string>

namespace lathe::compiler {

/// Names are given in the order of the phases of all programs of a module: whoever
/// goes through them in this order gets the same ones.
class KernelNames {
public:
  /// "decode.attn_q_attn_k"; a number is appended where that was given before.
  std::string next(step::ProgramOp program, step::PhaseOp phase);

private:
  llvm::StringSet<> given;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_KERNELNAMES_H
