//===- GpuPhase.h - Code for whole phases on a GPU --------------*- C++ -*-===//
//
// As PhaseEmitter.h: emitters register, and the first that matches is asked.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUPHASE_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUPHASE_H

#include "compiler/target/nvptx/GpuContext.h"

namespace lathe::compiler {

struct GpuPhaseEmitter {
  /// Whether the emitter has code for the phase.
  bool (*match)(step::PhaseOp phase);
  /// Emits what a thread does.
  llvm::LogicalResult (*emit)(GpuContext &context);
};

struct GpuPhaseEmitterRegistration {
  explicit GpuPhaseEmitterRegistration(GpuPhaseEmitter emitter);
};

/// The emitter for the phase, or null.
const GpuPhaseEmitter *findGpuPhaseEmitter(step::PhaseOp phase);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUPHASE_H
