//===- lathe-opt.cpp - mlir-opt with Lathe's dialects and passes -----------===//

#include "compiler/driver/Pipeline.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::registerAllPasses();
  lathe::compiler::registerLathePasses();
  lathe::compiler::registerStagePipelines();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  lathe::compiler::registerLatheDialects(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Lathe's optimizer driver\n", registry));
}
