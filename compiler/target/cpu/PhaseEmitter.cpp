//===- PhaseEmitter.cpp - Code for whole phases ----------------------------===//

#include "compiler/target/cpu/PhaseEmitter.h"

using namespace lathe;
using namespace lathe::compiler;

static llvm::SmallVector<PhaseEmitter> &registry() {
  static llvm::SmallVector<PhaseEmitter> emitters;
  return emitters;
}

PhaseEmitterRegistration::PhaseEmitterRegistration(PhaseEmitter emitter) {
  registry().push_back(emitter);
}

const PhaseEmitter *lathe::compiler::findPhaseEmitter(step::PhaseOp phase) {
  for (const PhaseEmitter &emitter : registry())
    if (emitter.match(phase))
      return &emitter;
  return nullptr;
}
