//===- KernelSharing.cpp - One function for equal kernels ------------------===//

#include "compiler/target/cpu/KernelSharing.h"

#include "llvm/ADT/Hashing.h"

using namespace mlir;
using namespace lathe::compiler;

/// Of all ops in order with their attributes, but of no operand: only kernels that
/// are about the same meet in a bucket, and these are compared op by op.
static unsigned hashOf(func::FuncOp kernel) {
  llvm::hash_code hash = llvm::hash_value(kernel.getNumArguments());
  kernel.getBody().walk([&](Operation *op) {
    hash = llvm::hash_combine(
        hash, OperationEquivalence::computeHash(op, OperationEquivalence::ignoreHashValue,
                                                OperationEquivalence::ignoreHashValue,
                                                OperationEquivalence::IgnoreLocations));
  });
  // The keys of a DenseMap leave out its two greatest numbers.
  return static_cast<unsigned>(static_cast<size_t>(hash)) >> 1;
}

func::FuncOp KernelSharing::unify(func::FuncOp kernel) {
  auto &others = byHash[hashOf(kernel)];
  for (func::FuncOp other : others)
    if (other.getFunctionType() == kernel.getFunctionType() &&
        OperationEquivalence::isRegionEquivalentTo(&other.getBody(), &kernel.getBody(),
                                                   OperationEquivalence::IgnoreLocations)) {
      kernel.erase();
      return other;
    }
  others.push_back(kernel);
  return kernel;
}
