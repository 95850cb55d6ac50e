//===- KVLayout.h - Where keys and values are in the cache ------*- C++ -*-===//
//
// A sequence owns a slab: [split][layer][head] of keys and then values, each as
// its form stores them (KVFormat.h).  So what a tile of attention reads is one
// stretch of memory, whatever the capacity.  Behind all splits, the slab has room
// for the partial results of attention, one for each split of positions.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H
#define LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H

#include "compiler/target/cpu/PhaseContext.h"

#include "llvm/Support/MathExtras.h"

namespace lathe::compiler {

/// Positions in a split of attention; the cache's capacity is a multiple of it.
inline constexpr int64_t AttentionSplit = ir::KVType::SplitPositions;

/// Elements of a head as vectors take them; what is added stays zero.
inline int64_t paddedDim(int64_t dim) { return llvm::alignTo(dim, Lanes); }

/// Of one head, at the positions of one split.
struct KVPointers {
  mlir::Value keys;
  mlir::Value values;
};

/// Keys and values of one head; `layer`, `sequence`, `head` and `split` are i64.
KVPointers emitKVPointers(PhaseContext &context, ir::KVType type, mlir::Value layer,
                          mlir::Value sequence, mlir::Value head, mlir::Value split);

/// Bytes of the partial result of one query: maximum and sum, 64-byte aligned
/// elements.
int64_t attentionPartialBytes(ir::AttentionOp attention);
/// The partial results of a sequence: [split][query head].
mlir::Value emitPartials(PhaseContext &context, ir::KVType type, mlir::Value sequence);
/// Bytes of a slab for each of its positions, partial results included.
int64_t slabBytesPerPosition(step::ProgramOp program);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H
