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

/// A result that moved too far.
struct ResultMove {
  double relative;  ///< To the largest element; infinity where that has no meaning.
  std::string told; ///< "result 0 moves by ...".
};

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

  /// The first result of `after` that moved too far.
  std::optional<ResultMove> find(llvm::ArrayRef<ReferenceArray> before,
                                 llvm::ArrayRef<ReferenceArray> after) const;
  /// Emits the error of `compare`.
  llvm::LogicalResult report(llvm::StringRef place, const ResultMove &move) const;

  /// Whether a single number that another order of sums rounded to the other integer may have
  /// moved results so far: in narrow models most of what follows is rounded anew then, and moves
  /// them by as much as rounding does at all (3.8e-2 of the largest logit as measured by
  /// test/conformance/tiny_llama.py). Such data do not tell a fault from rounding; others do.
  bool isUndecided(const ResultMove &move) const;

private:
  std::optional<ResultMove> findMove(size_t index, const ReferenceArray &before,
                                     const ReferenceArray &after) const;

  mlir::Location loc;
  llvm::StringRef passArgument;
  PassEffect effect;
  double bound;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_COMPARERESULTS_H
