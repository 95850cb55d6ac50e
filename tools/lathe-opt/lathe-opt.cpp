//===- lathe-opt.cpp - mlir-opt with Lathe's dialects and passes -----------===//

#include "compiler/driver/Pipeline.h"
#include "compiler/driver/VerifyPipeline.h"
#include "dialects/Lathe/LatheSharding.h"
#include "tools/lathe-opt/Watch.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

static llvm::cl::opt<bool>
    verifyFlag("verify-each-pass", llvm::cl::init(false),
               llvm::cl::desc("Run the reference program before and after every pass and "
                              "hold the pass to the effect it declares"));

/// The pipeline of the command line, with the verification around it.
static MlirOptMainConfig makeConfig() {
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  MlirOptMainConfig plain = config;
  config.setPassPipelineSetupFn([plain](PassManager &passes) {
    if (failed(plain.setupPassPipeline(passes)))
      return failure();
    if (verifyFlag)
      lathe::compiler::verifyPipeline(passes);
    lathe::opt::watch(passes);
    return success();
  });
  return config;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  registerAllPasses();
  lathe::compiler::registerLathePasses();
  lathe::compiler::registerStagePipelines();
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  lathe::compiler::registerLatheDialects(registry);
  lathe::ir::registerShardingModels(registry);

  auto [inputName, outputName] =
      registerAndParseCLIOptions(argc, argv, "Lathe's optimizer driver\n", registry);
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> input = openInputFile(inputName, &message);
  std::unique_ptr<llvm::ToolOutputFile> output =
      input ? openOutputFile(outputName, &message) : nullptr;
  if (!output) {
    llvm::errs() << message << "\n";
    return 1;
  }
  auto optimize = [&] {
    return MlirOptMain(output->os(), std::move(input), registry, makeConfig());
  };
  if (int code = lathe::opt::runWatched(optimize))
    return code;
  output->keep();
  return 0;
}
