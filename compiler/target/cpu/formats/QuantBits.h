//===- QuantBits.h - Quants of 4 to 6 bits in panels ------------*- C++ -*-===//
//
// Code that reads the quants of a panel's block of 32 k, as
// runtime/formats/blocks/Quads.h packs them.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_FORMATS_QUANTBITS_H
#define LATHE_COMPILER_TARGET_CPU_FORMATS_QUANTBITS_H

#include "compiler/target/cpu/KernelBuilder.h"

namespace lathe::compiler {

class QuantBits {
public:
  static constexpr int64_t Elements = 32;

  /// `extra`: bits of a quant beyond four, 0 to 2.
  explicit QuantBits(int64_t extra) : extra(extra) {}

  /// Of the quants of a block; other numbers stand behind.
  int64_t bytes() const { return 512 + 128 * extra; }
  int64_t greatest() const { return (16 << extra) - 1; }

  /// Calls `use(quad, q)` for the 8 quads of the 16 outputs of `group` (i64), in order:
  /// q is vector<64xi8>.
  void unpackQuads(KernelBuilder &k, mlir::Value block, mlir::Value group,
                   llvm::function_ref<void(int64_t, mlir::Value)> use) const;
  /// Calls `use(k, q)` for the 32 elements, in order: q is vector<16xf32>.
  void unpack(KernelBuilder &k, mlir::Value block, mlir::Value group,
              llvm::function_ref<void(int64_t, mlir::Value)> use) const;
  /// Calls `use(quad, q)` for the quads of the row at place `lane` (i64), in order:
  /// q is vector<4xf32>.
  void gather(KernelBuilder &k, mlir::Value block, mlir::Value lane,
              llvm::function_ref<void(int64_t, mlir::Value)> use) const;

private:
  int64_t quadsOfPlane() const { return extra == 1 ? 8 : 4; }
  /// Where a plane with bits of `quad` starts in a block.
  int64_t plane(int64_t quad) const { return 512 + 128 * (quad / quadsOfPlane()); }
  /// The first bit of `quad` in a byte of its plane.
  int64_t firstBit(int64_t quad) const { return extra * (quad % quadsOfPlane()); }
  mlir::Value join(KernelBuilder &k, mlir::Value low, mlir::Value planes, int64_t quad,
                   int64_t byte) const;

  int64_t extra;
};

/// The bits of `mask` in every integer lane of `vector`, which are moved up by `up` (down
/// where that is negative) first.
mlir::Value shiftAndMask(KernelBuilder &k, mlir::Value vector, int64_t up, int64_t mask);
/// The same for every byte of vector<16xi32>.  Bytes stay in words until they are used: LLVM
/// looks for known bits, and looks several times where a value changes its element type.
mlir::Value shiftAndMaskBytes(KernelBuilder &k, mlir::Value words, int64_t up, int64_t mask);
mlir::Value asBytes(KernelBuilder &k, mlir::Value words);

/// 16 f16 as f32, and one.
mlir::Value loadHalves(KernelBuilder &k, mlir::Value pointer);
mlir::Value loadHalf(KernelBuilder &k, mlir::Value pointer);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_FORMATS_QUANTBITS_H
