//===- CoarseFormat.h - Bounds from a part of the weights -------*- C++ -*-===//
//
// What screening of an output head asks of a packed format whose panels hold
// coarse weights, and whose tails hold the rest (docs/head-screening.md).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_COARSEFORMAT_H
#define LATHE_COMPILER_TARGET_CPU_COARSEFORMAT_H

#include "compiler/target/cpu/WeightFormat.h"

namespace lathe::compiler {

/// Where a panel of a packed matrix is; `tail` is null in formats without tails.
struct PanelPointers {
  mlir::Value panel, tail;
};

/// A coarse weight is `scale * (step() * (integer - zero point) + centre())`.
class CoarseFormat {
public:
  virtual ~CoarseFormat() = default;

  virtual Int8Weights weights() const = 0;
  virtual float step() const = 0;
  virtual float centre() const = 0;
  /// As WeightFormat::unpackInt8; reads no tail.
  virtual void unpackCoarse(KernelBuilder &k, const PanelBlock &block,
                            llvm::function_ref<void(int64_t, mlir::Value)> use) const = 0;
  /// Of 16 rows, vector<16xf32>: the factors of the norms in the bound.
  virtual mlir::Value certificates(KernelBuilder &k, mlir::Value panel,
                                   mlir::Value group) const = 0;
  /// The same for the rest of the integers, which are step() times the coarse ones, and it.
  virtual Int8Weights restWeights() const = 0;
  virtual void unpackRest(KernelBuilder &k, const PanelBlock &block,
                          llvm::function_ref<void(int64_t, mlir::Value)> use) const = 0;
  /// Copies all of one row of a panel, but for its certificate, to a row of another.
  /// The lanes (i64) are the rows' places.
  virtual void copyRow(KernelBuilder &k, const PanelPointers &from, mlir::Value lane,
                       const PanelPointers &to, mlir::Value toLane, mlir::Value steps) const = 0;
  /// Asks for what copyRow will read.
  virtual void prefetchRow(KernelBuilder &k, const PanelPointers &from, mlir::Value lane,
                           mlir::Value steps) const = 0;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_COARSEFORMAT_H
