//===- Manifest.h - What a program tells the runtime ------------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_MANIFEST_H
#define LATHE_COMPILER_TARGET_CPU_MANIFEST_H

#include "compiler/target/cpu/PhaseContext.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace lathe::compiler {

/// "0.1.0 (LLVM 22.1.8)".
std::string compilerVersion();

/// Places of all weights in the weight table: a layered weight has one pointer
/// for each layer of the stack, the others one.
WeightTable assignWeights(mlir::ModuleOp module);

/// What a manifest says of the target and of what a step needs there.
struct ManifestTarget {
  std::string name;
  std::vector<std::string> features;
  int64_t scratchBytes;    ///< Of each worker; of a GPU, of the step.
  int64_t threads = 0;     ///< Of a GPU: in a block.
  int64_t sharedBytes = 0; ///< Likewise: shared memory of a block.
  /// Likewise: of programs by name, how many of the greatest logits they find behind the head.
  llvm::StringMap<int64_t> greatestLogits = {};
};

/// Ends the emission of a module's programs: they and the declarations of their weights go, and
/// the manifest (docs/manifest.md) comes, as the constants that abi.h names.
void replacePrograms(mlir::ModuleOp module, const ManifestTarget &target,
                     const WeightTable &weights);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_MANIFEST_H
