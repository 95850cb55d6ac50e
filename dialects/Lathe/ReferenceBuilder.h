//===- ReferenceBuilder.h - Words for naive tensor programs -----*- C++ -*-===//
//
// The reference meanings are all of one form: a tensor whose element at each
// index is some scalar expression, with sums over ranges in it.  This builder
// has words for that, so that a meaning reads like its formula.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_DIALECTS_LATHE_REFERENCEBUILDER_H
#define LATHE_DIALECTS_LATHE_REFERENCEBUILDER_H

#include "dialects/Lathe/LatheInterfaces.h"
#include "dialects/Lathe/LatheTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace lathe::ir {

class ReferenceBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Element = llvm::function_ref<mlir::Value(mlir::ValueRange indices)>;
  using Term = llvm::function_ref<mlir::Value(mlir::Value index)>;

  ReferenceBuilder(mlir::Location loc, mlir::OpBuilder &builder)
      : mlir::ImplicitLocOpBuilder(loc, builder) {}

  mlir::Value index(int64_t value);
  mlir::Value real(float value);
  /// An index as f32.
  mlir::Value toReal(mlir::Value index);

  /// One element of a tensor.
  mlir::Value at(mlir::Value tensor, mlir::ValueRange indices);
  /// One element of a tensor of i32, as an index.
  mlir::Value indexAt(mlir::Value tensor, mlir::ValueRange indices);

  mlir::OpFoldResult size(mlir::Value tensor, unsigned dim);
  mlir::Value sizeValue(mlir::Value tensor, unsigned dim);
  llvm::SmallVector<mlir::OpFoldResult> sizes(mlir::Value tensor);
  /// Known sizes after the size of dimension 0 of `rows`.
  llvm::SmallVector<mlir::OpFoldResult> rowSizes(mlir::Value rows, llvm::ArrayRef<int64_t> others);

  /// The tensor of these sizes whose element at each index is `element(indices)`:
  /// a `linalg.generic` without inputs.  Of f32 unless `type` is another.
  mlir::Value generate(llvm::ArrayRef<mlir::OpFoldResult> sizes, Element element,
                       mlir::Type type = {});

  /// Sum, or maximum, of `term(i)` for `first <= i < last`, in this order.
  mlir::Value sum(mlir::Value first, mlir::Value last, Term term);
  mlir::Value maximum(mlir::Value first, mlir::Value last, Term term);

  template <typename OpTy, typename... Args> mlir::Value make(Args &&...args) {
    return OpTy::create(*this, std::forward<Args>(args)...).getResult();
  }
  mlir::Value add(mlir::Value lhs, mlir::Value rhs) { return make<mlir::arith::AddFOp>(lhs, rhs); }
  mlir::Value subtract(mlir::Value lhs, mlir::Value rhs) {
    return make<mlir::arith::SubFOp>(lhs, rhs);
  }
  mlir::Value multiply(mlir::Value lhs, mlir::Value rhs) {
    return make<mlir::arith::MulFOp>(lhs, rhs);
  }
  mlir::Value divide(mlir::Value lhs, mlir::Value rhs) {
    return make<mlir::arith::DivFOp>(lhs, rhs);
  }
  /// The nearest value of a narrower float type, ties to even, as f32.
  mlir::Value roundTo(mlir::Type type, mlir::Value value);

  /// `unit` times the integer next to `inverse * value`, ties to even; 0 where `unit` is.
  /// Kernels multiply with an inverse that was rounded, and near ties that shows.
  mlir::Value roundToMultiple(mlir::Value unit, mlir::Value inverse, mlir::Value value);

  /// Maps `result` to `tensor`, which is cast to the result's reference type
  /// where they know different sizes.
  void define(ReferenceValues &values, mlir::Value result, mlir::Value tensor);

private:
  mlir::Value accumulate(mlir::Value first, mlir::Value last, mlir::Value start, Term term,
                         llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);
};

/// The tensors of the rows of a step.
struct RowsTensors {
  RowsTensors(const ReferenceValues &values, mlir::Value rows);
  mlir::Value token, position, sequence; ///< tensor<rows x i32>
  mlir::Value logitsRow;                 ///< tensor<logits rows x i32>
  mlir::Value widths;                    ///< tensor<layers x i32>
};

/// Rows times a matrix, of which `to` outputs and `of` inputs count (index, or null: all).
mlir::Value buildLimitedProduct(ReferenceBuilder &builder, mlir::Value input, mlir::Value weight,
                                mlir::Value to, mlir::Value of);

/// The tensors of a KV cache, [layers, sequences, capacity, heads, dim].
struct CacheTensors {
  CacheTensors(const ReferenceValues &values, mlir::Value cache);
  mlir::Value keys, values;
};

} // namespace lathe::ir

#endif // LATHE_DIALECTS_LATHE_REFERENCEBUILDER_H
