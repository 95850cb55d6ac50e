//===- CompareResults.h - How far results may move --------------*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_COMPARERESULTS_H
#define LATHE_COMPILER_REFERENCE_COMPARERESULTS_H

#include "compiler/reference/ReferenceRunner.h"
#include "passes/PassEffect.h"

#include "mlir/IR/Diagnostics.h"

namespace lathe::compiler {

/// How far other orders of f32 sums in `program` may move a result, relative to
/// the largest element. More where something is rounded on the way: a sum beside
/// a rounding threshold moves an element by a whole step.
double getReassociationBound(mlir::Operation *program);

/// Holds the results of a program after a pass to those before it, by what the
/// pass declares. Where nothing may change bits count, so that -0 and NaN are
/// told apart; otherwise an element may move by a part of the largest of its
/// tensor.
class ResultComparison {
public:
  /// Errors are emitted at `loc`; `reassociationBound` is what "reassociates"
  /// stands for.
  ResultComparison(mlir::Location loc, llvm::StringRef passArgument, PassEffect effect,
                   double reassociationBound);

  /// Emits an error for the first result of `after` that moved too far; `place`
  /// says where in it ("in @forward").
  llvm::LogicalResult compare(llvm::StringRef place, llvm::ArrayRef<ReferenceArray> before,
                              llvm::ArrayRef<ReferenceArray> after) const;

private:
  mlir::InFlightDiagnostic report(llvm::StringRef place) const;
  llvm::LogicalResult compareResult(llvm::StringRef place, size_t index,
                                    const ReferenceArray &before,
                                    const ReferenceArray &after) const;

  mlir::Location loc;
  llvm::StringRef passArgument;
  PassEffect effect;
  double bound;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_COMPARERESULTS_H
