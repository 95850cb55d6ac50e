//===- Passes.h - Code for NVIDIA GPUs --------------------------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_PASSES_H
#define LATHE_COMPILER_TARGET_NVPTX_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <string>

namespace lathe::compiler {

#define GEN_PASS_DECL
#include "compiler/target/nvptx/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/target/nvptx/Passes.h.inc"

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_PASSES_H
