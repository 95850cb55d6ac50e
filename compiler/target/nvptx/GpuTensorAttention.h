//===- GpuTensorAttention.h - Attention on tensor cores ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUTENSORATTENTION_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUTENSORATTENTION_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

/// Whether tensor cores compute attention over the cache: of f16 or bf16, with heads of a
/// multiple of 16 elements up to 256.  Keys and values then lie in pairs, as bf16 does on a
/// CPU (docs/layouts.md): [position / 16][dim / 2][16 positions][2], and
/// [position / 2][dim][2 positions].
bool hasTensorAttention(ir::KVType type);

/// Emits what the threads of all blocks do; `result` is what is stored of `op`.
llvm::LogicalResult emitTensorAttention(GpuContext &context, ir::AttentionOp op,
                                        mlir::Value result);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUTENSORATTENTION_H
