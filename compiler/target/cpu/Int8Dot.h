//===- Int8Dot.h - Dot products of u8 weights and int8 rows -----*- C++ -*-===//
//
// How a target multiplies one block of 32 k of packed weights by one quantised
// row.  A vector of 64 weights holds 4 consecutive k (a quad) of 16 outputs.
// All ways give the same integers: the sum over the block of (w - zero point) * x,
// each half of 16 k times its integer scale, if there is one.  They are below
// 2^24 in size, so that they become f32 without rounding.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_INT8DOT_H
#define LATHE_COMPILER_TARGET_CPU_INT8DOT_H

#include "compiler/target/cpu/KernelBuilder.h"

#include <memory>

namespace lathe::compiler {

/// Sums of the 32 int8 elements of a block of !lathe.q8_act (docs/layouts.md): i16
/// [2][2], of each half of 16 elements those with k % 4 below 2 and the others.
struct BlockSums {
  static constexpr int64_t Bytes = 8;
};

/// What a format's unsigned weights are.
struct Int8Weights {
  int64_t zeroPoint;         ///< Subtracted from every weight.
  int64_t greatest;          ///< Weights are 0 to this: 15, 31, 63 or 255.
  bool scaledHalves = false; ///< Both halves of a block have an integer scale, -128 to 127.
};

/// A block is summed in sections of quads, each from `begin` to `finish`; its sum is
/// that of its sections.
class Int8Dot {
public:
  using Parts = llvm::SmallVector<mlir::Value, 4>;

  static constexpr int64_t QuadsOfBlock = 8, QuadsOfHalf = 4;

  virtual ~Int8Dot() = default;
  /// Quads of a section: QuadsOfBlock or QuadsOfHalf.
  virtual int64_t sectionQuads(const Int8Weights &weights) const = 0;
  /// One quad of weights, made ready to meet many rows.
  virtual Parts prepare(KernelBuilder &k, const Int8Weights &weights, mlir::Value quad) const = 0;
  /// The scales of the halves of a block, from vector<32xi16> of both side by side.
  virtual Parts prepareScales(KernelBuilder &k, mlir::Value halves) const = 0;
  /// Accumulators at the start of a section; `sums` points at the row's BlockSums.
  virtual Parts begin(KernelBuilder &k, const Int8Weights &weights, int64_t section,
                      mlir::Value sums) const = 0;
  /// Adds a quad; `x` points at the row's 4 elements.
  virtual Parts step(KernelBuilder &k, const Int8Weights &weights, Parts accumulators,
                     const Parts &prepared, mlir::Value x) const = 0;
  /// The 16 sums of the section, as vector<16xi32>; `scales` as from prepareScales.
  virtual mlir::Value finish(KernelBuilder &k, const Int8Weights &weights, int64_t section,
                             const Parts &accumulators, const Parts &scales) const = 0;
};

/// Sums of int32, as instructions of 512 bits have them.
class WideDot : public Int8Dot {
public:
  int64_t sectionQuads(const Int8Weights &weights) const override {
    return weights.scaledHalves ? QuadsOfHalf : QuadsOfBlock;
  }
  Parts prepare(KernelBuilder &, const Int8Weights &, mlir::Value quad) const override {
    return {quad};
  }
  Parts prepareScales(KernelBuilder &k, mlir::Value halves) const override;
  Parts begin(KernelBuilder &k, const Int8Weights &weights, int64_t section,
              mlir::Value sums) const override;
  Parts step(KernelBuilder &k, const Int8Weights &weights, Parts accumulators,
             const Parts &prepared, mlir::Value x) const override;
  mlir::Value finish(KernelBuilder &k, const Int8Weights &weights, int64_t section,
                     const Parts &accumulators, const Parts &scales) const override;

protected:
  /// Adds u8 weights times s8 elements, four neighbours to a sum; `row` is i32.
  virtual mlir::Value addQuad(KernelBuilder &k, mlir::Value sums, mlir::Value weights,
                              mlir::Value row) const = 0;
  /// i16 neighbours, times `factor`, added; in vector<16xi32>.
  virtual mlir::Value addPairs(KernelBuilder &k, mlir::Value words, int64_t factor) const = 0;
};

/// AVX2: vpmaddubsw and vpmaddwd.
std::unique_ptr<Int8Dot> createAVX2Dot();
/// AVX-512 VNNI: vpdpbusd.
std::unique_ptr<Int8Dot> createVNNIDot();

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_INT8DOT_H
