//===- Pipeline.h - The named stages of the compiler ------------*- C++ -*-===//
//
// There is one way through the compiler: import, fused, precision, scheduled,
// planned, kernels.  Each stage is a pass pipeline; a module says in
// `lathe.stage` which it has reached, and can be printed there and fed back.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_DRIVER_PIPELINE_H
#define LATHE_COMPILER_DRIVER_PIPELINE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <string>
#include <vector>

namespace lathe::compiler {

struct PipelineOptions {
  std::string target = "host";
  std::string precision = "auto";
  std::string kvType = "auto";
  int64_t prefillRows = 512;
  std::vector<int64_t> skippedLayers = {}; ///< Ascending.
};

/// The names of the stages, in order; the first is what import gives.
llvm::ArrayRef<llvm::StringLiteral> allStages();

/// The place of the stage in the list, or -1.
int findStage(llvm::StringRef name);

/// The stage that the module has reached: what `lathe.stage` says, or 0.
int getStage(mlir::ModuleOp module);

/// Adds the passes that lead from the stage ahead to `stage` (> 0).
void addStage(mlir::OpPassManager &passes, int stage, const PipelineOptions &options);

/// Registers each stage as a pass pipeline, `lathe-stage-NAME`.
void registerStagePipelines();

/// Registers all passes of the project.
void registerLathePasses();

/// Registers the dialects that the stages use.
void registerLatheDialects(mlir::DialectRegistry &registry);

/// Registers what a program may hold besides, and what its code is made with.  A
/// model's graph needs none of it, and loading it takes time.
void registerUpstreamDialects(mlir::DialectRegistry &registry);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_PIPELINE_H
