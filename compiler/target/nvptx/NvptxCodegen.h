//===- NvptxCodegen.h - From GPU kernels to PTX -----------------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_NVPTXCODEGEN_H
#define LATHE_COMPILER_TARGET_NVPTX_NVPTXCODEGEN_H

#include "compiler/target/nvptx/NvptxTarget.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace lathe::compiler {

/// Where the time between a module at the stage of kernels and PTX goes, in seconds.
struct GpuCodeTimes {
  double lower = 0, translate = 0, optimize = 0, emit = 0;
  struct Function {
    std::string name;
    double optimize, emit;
  };
  /// Of each function by itself: they are compiled once more for that.
  std::vector<Function> functions;

  void print(llvm::raw_ostream &out) const;
};

/// The LLVM IR of a module at the stage of kernels, which is consumed: for NVPTX, and not
/// optimised.  Fails on a stronger atomicrmw than the backend keeps its word on.
llvm::Expected<std::unique_ptr<llvm::Module>> translateGpuKernels(mlir::ModuleOp module,
                                                                  const NvptxTarget &target,
                                                                  llvm::LLVMContext &context,
                                                                  GpuCodeTimes *times = nullptr);

/// Optimises and compiles it; with `times`, tells where the time went.
llvm::Expected<std::string> compileToPTX(llvm::Module &module, const NvptxTarget &target,
                                         GpuCodeTimes *times = nullptr);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_NVPTXCODEGEN_H
