//===- GpuQuants.h - Integers of packed blocks for GPUs ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_FORMATS_GPUQUANTS_H
#define LATHE_COMPILER_TARGET_NVPTX_FORMATS_GPUQUANTS_H

#include "compiler/target/nvptx/GpuFormat.h"

namespace lathe::compiler {

/// Bytes of the nibbles of 32 x 32 weights, and of one more bit of each.
inline constexpr int64_t NibbleBytes = 512, FifthBitBytes = 128;

/// The 4 or 5 bits of each weight that a block of most formats begins with, a byte each.
mlir::Value emitQuants(GpuBuilder &k, const GpuBlock &block, mlir::Value quad, bool fifthBits);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_FORMATS_GPUQUANTS_H
