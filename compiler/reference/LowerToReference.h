//===- LowerToReference.h - A module as its reference program ---*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_LOWERTOREFERENCE_H
#define LATHE_COMPILER_REFERENCE_LOWERTOREFERENCE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"

namespace lathe::compiler {

/// The tensor types that stand for a value of type `type` in a reference
/// program, as the description of `lathe-to-reference` tells; empty when there
/// are none. Scalars and tensors of integers stand for themselves.
llvm::SmallVector<mlir::Type> getReferenceTypes(mlir::Type type);

/// The type of the argument that stands for a `lathe.weights`.
mlir::Type getReferenceWeightType(mlir::Operation *weights);

/// Replaces every function of `module` by its reference and drops the weights.
/// Emits an error and leaves `module` half done when an op has no meaning.
llvm::LogicalResult lowerToReference(mlir::ModuleOp module);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_LOWERTOREFERENCE_H
