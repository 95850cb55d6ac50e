//===- VerifyPipeline.h - Verifies passes down to machine code --*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_VERIFYPIPELINE_H
#define LATHE_COMPILER_DRIVER_VERIFYPIPELINE_H

#include "mlir/Pass/PassManager.h"

namespace lathe::compiler {

/// `verifyEachPass` (compiler/reference/VerifyPasses.h), and the same for
/// kernels: whenever a pass has made or changed kernels, they are compiled and
/// run in this process, on random weights of the declared formats, for several
/// steps of two sequences. The logits of every step are held to those of the
/// reference of the step programs before, and must have the same bits with one
/// worker and with three. Where a number that was rounded to the other integer
/// may explain a move, two other draws of weights and rows decide, and a warning
/// says so. Kernels for instructions that this machine does not have are not run;
/// a warning says that, too.
///
/// Call it before `pm` runs. The context runs on one thread from then on.
void verifyPipeline(mlir::PassManager &pm, uint64_t seed = 0);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_VERIFYPIPELINE_H
