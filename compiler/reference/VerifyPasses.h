//===- VerifyPasses.h - Holds every pass to its declared effect -*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_VERIFYPASSES_H
#define LATHE_COMPILER_REFERENCE_VERIFYPASSES_H

#include "mlir/Pass/PassManager.h"

namespace lathe::compiler {

/// Makes `pm` run the reference of every function with lathe ops and of every
/// step program before and after each pass, on random inputs drawn from `seed`,
/// and compare the results by the effect that the pass declares
/// (passes/PassEffect.h). Each program that a pass makes of `@forward` is held
/// to the results of `@forward`. At the first break of a word, or one of our
/// passes without a declaration, an error is emitted and the pipeline fails.
/// Other functions and programs that a pass removes are not compared, nor are
/// kernels; see compiler/driver/VerifyPipeline.h for those.
///
/// Call it before `pm` runs. The context runs on one thread from then on.
void verifyEachPass(mlir::PassManager &pm, uint64_t seed = 0);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_VERIFYPASSES_H
