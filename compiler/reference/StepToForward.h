//===- StepToForward.h - A step program as values again ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_STEPTOFORWARD_H
#define LATHE_COMPILER_REFERENCE_STEPTOFORWARD_H

#include "dialects/Step/StepOps.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lathe::compiler {

/// The name of the function that `stepToForward` makes.
inline constexpr llvm::StringLiteral forwardName = "forward";

/// A module with the weights of the program's module and one function,
/// `@forward(rows, cache) -> (logits, cache)`, that computes on values what
/// `program` computes through buffers: a load is the value stored last. A
/// buffer that was overwritten through another whose planned bytes overlap
/// holds nothing any more. `step.layers` becomes `lathe.layers`, which carries
/// the cache and the buffers that a round or the rest of the program loads
/// before it stores them.
///
/// Emits an error and gives nothing where a load finds no value. What may run
/// at the same time for want of a barrier is not looked at.
llvm::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> stepToForward(step::ProgramOp program);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_STEPTOFORWARD_H
