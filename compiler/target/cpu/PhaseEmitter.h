//===- PhaseEmitter.h - Code for whole phases -------------------*- C++ -*-===//
//
// An emitter makes the code of the phases it matches.  Emitters register; the
// first that matches is asked.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_PHASEEMITTER_H
#define LATHE_COMPILER_TARGET_CPU_PHASEEMITTER_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

struct PhaseEmitter {
  /// Whether the emitter has code for the phase.
  bool (*match)(step::PhaseOp phase);
  /// Emits the body of the kernel.
  llvm::LogicalResult (*emit)(PhaseContext &context);
};

struct PhaseEmitterRegistration {
  explicit PhaseEmitterRegistration(PhaseEmitter emitter);
};

/// The emitter for the phase, or null.
const PhaseEmitter *findPhaseEmitter(step::PhaseOp phase);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_PHASEEMITTER_H
