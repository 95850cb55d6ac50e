//===- Manifest.h - What a program tells the runtime ------------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_MANIFEST_H
#define LATHE_COMPILER_TARGET_CPU_MANIFEST_H

#include "compiler/target/cpu/PhaseContext.h"

#include "mlir/IR/BuiltinOps.h"

namespace lathe::compiler {

/// "0.1.0 (LLVM 22.1.8)".
std::string compilerVersion();

/// Places of all weights in the weight table: a layered weight has one pointer
/// for each layer of the stack, the others one.
WeightTable assignWeights(mlir::ModuleOp module);

/// The manifest (docs/manifest.md) of a module with planned programs;
/// `scratchBytes` is what each worker needs for itself.
std::string writeManifest(mlir::ModuleOp module, const CpuTarget &target,
                          const WeightTable &weights, int64_t scratchBytes);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_MANIFEST_H
