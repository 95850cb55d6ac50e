//===- Codegen.h - From kernels to machine code -----------------*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_CODEGEN_H
#define LATHE_COMPILER_DRIVER_CODEGEN_H

#include "compiler/target/cpu/CpuTarget.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <string>

namespace lathe::compiler {

/// Code of one module for one target.  Objects are position-independent and
/// use the small code model, so that one object serves the JIT and the linker.
class Codegen {
public:
  /// With `timing`, tables of passes and their times go to standard error.
  static llvm::Expected<std::unique_ptr<Codegen>> create(const CpuTarget &target,
                                                         bool timing = false);

  /// Lowers the module (stage kernels; it is consumed) to LLVM IR.
  llvm::Error lower(mlir::ModuleOp module);
  /// Takes the LLVM IR that `build` puts into an empty module instead.
  void fill(llvm::function_ref<void(llvm::Module &)> build);

  std::string printIR() const;
  llvm::Expected<std::string> emit(llvm::CodeGenFileType type);

private:
  Codegen(const CpuTarget &target, bool timing) : target(target), timing(timing) {}
  void setTarget();

  const CpuTarget &target;
  bool timing;
  std::unique_ptr<llvm::TargetMachine> machine;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> ir;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_CODEGEN_H
