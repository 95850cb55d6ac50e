//===- KernelSharing.h - One function for equal kernels ---------*- C++ -*-===//
//
// Layers that differ only in which weights they read, and entries that differ
// only in where their buffers are, have the same code: such numbers are arguments
// of the kernels (PhaseContext::argument).  Of kernels with the same code one is
// kept, before the costly part of compiling begins.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_KERNELSHARING_H
#define LATHE_COMPILER_TARGET_CPU_KERNELSHARING_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace lathe::compiler {

class KernelSharing {
public:
  /// The first kernel that was given and has the code of `kernel`, which is erased
  /// unless it is that first one.
  mlir::func::FuncOp unify(mlir::func::FuncOp kernel);

private:
  llvm::DenseMap<unsigned, llvm::SmallVector<mlir::func::FuncOp, 1>> byHash;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_KERNELSHARING_H
