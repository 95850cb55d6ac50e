//===- Int8Dot.h - Dot products of u8 weights and int8 rows -----*- C++ -*-===//
//
// How a target multiplies one block of 32 k of packed weights by one quantised
// row.  A vector of 64 weights holds 4 consecutive k (a quad) of 16 outputs.
// All ways give the same integers: sum over the block of (w - zero point) * x.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_INT8DOT_H
#define LATHE_COMPILER_TARGET_CPU_INT8DOT_H

#include "compiler/target/cpu/KernelBuilder.h"

#include <memory>

namespace lathe::compiler {

/// What a format's unsigned weights are.
struct Int8Weights {
  int64_t zeroPoint; ///< Subtracted from every weight.
  int64_t greatest;  ///< Weights are 0 to this: 15 or 255.
};

class Int8Dot {
public:
  using Parts = llvm::SmallVector<mlir::Value, 4>;

  virtual ~Int8Dot() = default;
  /// One quad of weights, made ready to meet many rows.
  virtual Parts prepare(KernelBuilder &k, const Int8Weights &weights, mlir::Value quad) const = 0;
  /// Accumulators at the start of a block; `sum` is the row's i32 sum.
  virtual Parts begin(KernelBuilder &k, const Int8Weights &weights, mlir::Value sum) const = 0;
  /// Adds a quad; `x` points at the row's 4 elements.
  virtual Parts step(KernelBuilder &k, const Int8Weights &weights, Parts accumulators,
                     const Parts &prepared, mlir::Value x) const = 0;
  /// The 16 sums of the block, as vector<16xi32>.
  virtual mlir::Value finish(KernelBuilder &k, const Int8Weights &weights, Parts accumulators,
                             mlir::Value sum) const = 0;
};

/// AVX2: vpmaddubsw and vpmaddwd.
std::unique_ptr<Int8Dot> createAVX2Dot();
/// AVX-512 VNNI: vpdpbusd.
std::unique_ptr<Int8Dot> createVNNIDot();

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_INT8DOT_H
