//===- KVLayout.h - Where keys and values are in the cache ------*- C++ -*-===//
//
// A sequence owns a slab; a layer owns a part of it; in that all keys come
// first, then all values, head by head.  Keys of 16 consecutive positions are
// interleaved, [position / 16][dim][16], so that a vector holds one element of
// 16 keys; values are [position][dim].  Behind all layers, the slab has room for
// the partial results of attention, one for each split of positions.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H
#define LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

/// Positions in a split of attention; the cache's capacity is a multiple of it.
inline constexpr int64_t AttentionSplit = 256;

struct KVPointers {
  mlir::Value keys;
  mlir::Value values;
};

/// Keys and values of one head; `layer`, `sequence` and `head` are i64.
KVPointers emitKVPointers(PhaseContext &context, ir::KVType type, mlir::Value layer,
                          mlir::Value sequence, mlir::Value head);

/// Bytes of the partial result of one query: maximum and sum, 64-byte aligned
/// elements.
int64_t attentionPartialBytes(ir::AttentionOp attention);
/// The partial results of a sequence: [split][query head].
mlir::Value emitPartials(PhaseContext &context, ir::KVType type, mlir::Value sequence);
/// Bytes of a slab for each of its positions, partial results included.
int64_t slabBytesPerPosition(step::ProgramOp program);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H
