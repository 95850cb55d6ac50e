//===- GpuRowOps.h - Ops that work on whole rows ----------------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUROWOPS_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUROWOPS_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

/// Computes one row of the result of `op` with all threads of the block.  Whoever
/// reads the row meets a barrier first.
using GpuRowEmitter = void (*)(GpuContext &context, mlir::Operation *op, const GpuRow &row);

struct GpuRowEmitterRegistration {
  GpuRowEmitterRegistration(llvm::StringRef opName, GpuRowEmitter emitter);
};

/// The emitter for ops of that name, or null.
GpuRowEmitter findGpuRowEmitter(llvm::StringRef opName);

/// Emits ops in order for `rows` (i64) rows from `first` on, by the block; ends in a
/// barrier.  Elementwise ops are computed into rows of their own.
llvm::LogicalResult emitGpuRows(GpuContext &context, llvm::ArrayRef<mlir::Operation *> ops,
                                mlir::Value first, mlir::Value rows);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUROWOPS_H
