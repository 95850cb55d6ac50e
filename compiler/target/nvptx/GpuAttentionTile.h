//===- GpuAttentionTile.h - Attention of some rows, by a block --*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONTILE_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONTILE_H

#include "compiler/target/nvptx/GpuAttentionParts.h"
#include "compiler/target/nvptx/GpuAttentionShape.h"

namespace lathe::compiler {

/// Computes a run of up to `tiles` times 16 queries; all threads of the block call it.
void emitAttentionTile(GpuContext &context, ir::AttentionOp op, const AttentionShape &shape,
                       const AttentionMemory &memory, PartMemory &parts, const AttentionRun &run,
                       int64_t tiles);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUATTENTIONTILE_H
