//===- VectorMath.h - Elementary functions on vectors -----------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_VECTORMATH_H
#define LATHE_COMPILER_TARGET_CPU_VECTORMATH_H

#include "compiler/target/cpu/KernelBuilder.h"

#include <utility>

namespace lathe::compiler {

/// exp(x) to about 2 units in the last place; 0 below -87, exact at 0.
mlir::Value emitExp(KernelBuilder &k, mlir::Value x);

/// x / (1 + exp(-x)).
mlir::Value emitSilu(KernelBuilder &k, mlir::Value x);

/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), to about 4e-7 of |x|.
mlir::Value emitGeluTanh(KernelBuilder &k, mlir::Value x);

/// 1 / sqrt(mean + eps) in all lanes, for the mean of `elements` squares whose
/// partial sums are the lanes of `squares`; `elements` and `eps` are f32 scalars.
mlir::Value emitInverseRMS(KernelBuilder &k, mlir::Value squares, mlir::Value elements,
                           mlir::Value eps);

/// sin(x) and cos(x) for 0 <= x < 2^18, to about 1e-7.
std::pair<mlir::Value, mlir::Value> emitSinCos(KernelBuilder &k, mlir::Value x);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_VECTORMATH_H
