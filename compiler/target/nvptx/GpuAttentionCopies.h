//===- GpuAttentionCopies.h - Keys and values in shared memory --*- C++ -*-===//
//
// A warp copies the keys of its positions, and its elements of the values, by cp.async into
// memory of its own, so that it waits for its own copies alone.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONCOPIES_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONCOPIES_H

#include "compiler/target/nvptx/GpuAttentionShape.h"

namespace lathe::compiler {

class AttentionCopies {
public:
  AttentionCopies(GpuContext &context, ir::KVType type, const AttentionShape &shape,
                  const AttentionMemory &memory, const AttentionRun &run)
      : c(context), k(context.k), type(type), shape(shape), run(run),
        keys(k.at(memory.keys, k.mul(c.warp, shape.keyBytes()))),
        values(k.at(memory.values, k.mul(c.warp, shape.valueBytes()))) {}

  /// Asks for those of the run's first turn.
  void start();
  /// Waits for the keys, or the values, of a turn: they come in turns, those of the first
  /// keys first, and of the others the next ones may be on their way.
  void wait();
  /// Behind the last read of a turn's, asks for those of the next.
  void followKeys(mlir::Value next);
  void followValues(mlir::Value next);

  /// Neighbouring words, at the warp's position `word`, of a pair of elements: as many as a
  /// lane reads of one (AttentionShape::keyTiles), at multiples of that.
  mlir::Value keyWords(mlir::Value pair, mlir::Value word);
  /// An element of a product's 8, of a pair of positions as they lie in memory: of 16 pairs
  /// every fourth one, and so on.
  mlir::Value valueWords(int64_t tile, mlir::Value pair, mlir::Value element);

private:
  void copyKeys(mlir::Value turn);
  void copyValues(mlir::Value turn);
  void copyAhead(mlir::Value turn, llvm::function_ref<void()> copy);

  GpuContext &c;
  GpuBuilder &k;
  ir::KVType type;
  const AttentionShape &shape;
  const AttentionRun &run;
  mlir::Value keys, values;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONCOPIES_H
