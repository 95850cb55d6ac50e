//===- BlockQuantizer.h - Blocks of 32 elements to int8 ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_BLOCKQUANTIZER_H
#define LATHE_COMPILER_TARGET_CPU_BLOCKQUANTIZER_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

/// Blocks that are best quantised at a time: a vector has lanes for the scales of all and for their
/// inverses.
inline constexpr int64_t QuantizedTogether = Lanes / 2;

/// Where a block of a !lathe.q8_act goes, see Rows.
struct QuantizedPlace {
  mlir::Value data, scale, scaledSum, sums;

  /// Block `block` of row `row` of `rows`.
  static QuantizedPlace get(KernelBuilder &k, const Rows &rows, mlir::Value row, mlir::Value block);
};

/// Quantises up to QuantizedTogether blocks, a power of two: two vectors of `elements` are the
/// elements of a block.  A block gives the same bits beside any others.
void emitQuantizeTogether(KernelBuilder &k, llvm::ArrayRef<mlir::Value> elements,
                          llvm::ArrayRef<QuantizedPlace> places);

/// Quantises a row of f32 at `from`.
void emitQuantizeBlocks(PhaseContext &context, mlir::Value from, const Rows &rows, mlir::Value row);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_BLOCKQUANTIZER_H
