//===- UpstreamLowering.h - Ops of other dialects as loops ------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_UPSTREAMLOWERING_H
#define LATHE_COMPILER_TARGET_CPU_UPSTREAMLOWERING_H

#include "dialects/Step/StepOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lathe::compiler {

/// A phase of upstream's ops as loops over memory, scalar by scalar: a function of
/// memory for each of `inputs` (the layer's number: index) and, behind them, for each
/// of `stores`.  Rows are any number of rows of the phase.  Memory that the function
/// allocates (memref.alloc) holds a static tensor, or as many rows.
struct UpstreamLoops {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  llvm::SmallVector<mlir::Value> inputs; ///< Loaded values, weights, the layer.
  llvm::SmallVector<step::StoreOp> stores;
};

/// Lowers by upstream's own passes: bufferisation, loops, polynomials for the
/// functions of `math`.  Fails with an error where these do.
mlir::FailureOr<UpstreamLoops> lowerUpstreamPhase(step::PhaseOp phase);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_UPSTREAMLOWERING_H
