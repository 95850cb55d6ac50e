//===- VectorMath.h - Elementary functions on vectors -----------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_VECTORMATH_H
#define LATHE_COMPILER_TARGET_CPU_VECTORMATH_H

#include "compiler/target/cpu/KernelBuilder.h"

#include <utility>

namespace lathe::compiler {

/// exp(x) to about 2 units in the last place; exact at 0, and 0 below -104, or -87 where
/// KernelBuilder::scalesByPowers is not.
mlir::Value emitExp(KernelBuilder &k, mlir::Value x);

/// The same for x up to 0, or not much above.
mlir::Value emitExpOfNegative(KernelBuilder &k, mlir::Value x);

/// x / (1 + exp(-x)).
mlir::Value emitSilu(KernelBuilder &k, mlir::Value x);

/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), to about 4e-7 of |x|.
mlir::Value emitGeluTanh(KernelBuilder &k, mlir::Value x);

/// x / 2 * (1 + erf(x / sqrt(2))), to about 3e-7 of |x|.
mlir::Value emitGelu(KernelBuilder &k, mlir::Value x);

/// 1 / sqrt(mean + eps) in all lanes, for the mean of `elements` squares whose
/// partial sums are the lanes of `squares`; `elements` and `eps` are f32 scalars.
mlir::Value emitInverseRMS(KernelBuilder &k, mlir::Value squares, mlir::Value elements,
                           mlir::Value eps);

/// The bf16 nearest to x, ties to even.
mlir::Value emitRoundBF16(KernelBuilder &k, mlir::Value x);

/// |x|.
mlir::Value emitAbs(KernelBuilder &k, mlir::Value x);

/// The nearest integer, ties to even, as i32.
mlir::Value emitNearestInt(KernelBuilder &k, mlir::Value x);

/// How numbers become integers of a size up to some limit; scalars of f32.
struct IntegerScale {
  mlir::Value unit;    ///< What an integer 1 stands for: greatest / limit.
  mlir::Value inverse; ///< limit / greatest; 0 where that is 0.
};

/// For numbers of a size up to `greatest`.
IntegerScale emitIntegerScale(KernelBuilder &k, mlir::Value greatest, int64_t limit);

/// sin(x) and cos(x) for 0 <= x < 2^18, to about 1e-7.
std::pair<mlir::Value, mlir::Value> emitSinCos(KernelBuilder &k, mlir::Value x);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_VECTORMATH_H
