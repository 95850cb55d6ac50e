//===- BlockQuantizer.h - Blocks of 32 elements to int8 ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_BLOCKQUANTIZER_H
#define LATHE_COMPILER_TARGET_CPU_BLOCKQUANTIZER_H

#include "compiler/target/cpu/CpuTarget.h"
#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

/// How many blocks, of 1024 bits, are quantised at a time: their elements take half of the
/// registers.
inline int64_t quantizedTogether(const CpuTarget &target) {
  return target.registers * target.vectorBits / 2048;
}

/// Where a block of a !lathe.q8_act goes, see Rows.
struct QuantizedPlace {
  mlir::Value data, scale, scaledSum, sums;

  /// Block `block` of row `row` of `rows`.
  static QuantizedPlace get(KernelBuilder &k, const Rows &rows, mlir::Value row, mlir::Value block);
};

/// Quantises up to Lanes / 2 blocks, a power of two: two vectors of `elements` are the elements of
/// a block.  A block gives the same bits beside any others.
void emitQuantizeTogether(KernelBuilder &k, llvm::ArrayRef<mlir::Value> elements,
                          llvm::ArrayRef<QuantizedPlace> places);

/// Quantises a row of f32 at `from`.
void emitQuantizeBlocks(PhaseContext &context, mlir::Value from, const Rows &rows, mlir::Value row);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_BLOCKQUANTIZER_H
