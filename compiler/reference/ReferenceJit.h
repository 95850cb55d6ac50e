//===- ReferenceJit.h - From LLVM IR to a function pointer ------*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_REFERENCEJIT_H
#define LATHE_COMPILER_REFERENCE_REFERENCEJIT_H

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace lathe::compiler {

/// While one lives, memory that compiled code asks for on this thread comes
/// from it, and is given back with it.
class RunMemory {
public:
  RunMemory();
  ~RunMemory();

private:
  llvm::BumpPtrAllocator memory, *outer;
};

/// Adds `name(void **)` to `module`, which calls `callee(void *, void *, ...)`.
void addPackedEntry(llvm::Module &module, llvm::StringRef name, llvm::StringRef callee);

/// Optimises `module` (O2, for this machine) and makes it callable. It finds
/// the process's symbols and the allocation function of MLIR's memrefs.
llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>>
compileInProcess(std::unique_ptr<llvm::Module> module, std::unique_ptr<llvm::LLVMContext> context);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_REFERENCEJIT_H
