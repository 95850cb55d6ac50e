//===- lathe-lsp-server.cpp - Tells editors about programs -----------------===//
//
// MLIR's language server with Lathe's dialects and passes (docs/ir-input.md).
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Pipeline.h"
#include "dialects/Lathe/LatheSharding.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

using namespace mlir;

int main(int argc, char **argv) {
  registerAllPasses();
  lathe::compiler::registerLathePasses();
  lathe::compiler::registerStagePipelines();
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  lathe::compiler::registerLatheDialects(registry);
  lathe::ir::registerShardingModels(registry);
  return failed(MlirLspServerMain(argc, argv, registry));
}
