//===- KVLayout.h - Where keys and values are in the cache ------*- C++ -*-===//
//
// A sequence owns a slab; a layer owns a part of it; in that all keys come
// first, then all values, head by head.  Keys of 16 consecutive positions are
// interleaved, [position / 16][dim][16], so that a vector holds one element of
// 16 keys; values are [position][dim].
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H
#define LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

struct KVPointers {
  mlir::Value keys;
  mlir::Value values;
};

/// Keys and values of one head; `layer`, `sequence` and `head` are i64.
KVPointers emitKVPointers(PhaseContext &context, ir::KVType type, mlir::Value layer,
                          mlir::Value sequence, mlir::Value head);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_KVLAYOUT_H
