//===- NvptxCodegen.h - From GPU kernels to PTX -----------------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_NVPTXCODEGEN_H
#define LATHE_COMPILER_TARGET_NVPTX_NVPTXCODEGEN_H

#include "compiler/target/nvptx/NvptxTarget.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace lathe::compiler {

/// The LLVM IR of a module at the stage of kernels, which is consumed: for NVPTX, and not
/// optimised.  Fails on a stronger atomicrmw than the backend keeps its word on.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateGpuKernels(mlir::ModuleOp module, const NvptxTarget &target, llvm::LLVMContext &context);

/// Optimises and compiles it.
llvm::Expected<std::string> compileToPTX(llvm::Module &module, const NvptxTarget &target);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_NVPTXCODEGEN_H
