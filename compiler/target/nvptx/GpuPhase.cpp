//===- GpuPhase.cpp - Code for whole phases on a GPU -----------------------===//

#include "compiler/target/nvptx/GpuPhase.h"
#include "compiler/target/PhaseParts.h"

#include "compiler/target/nvptx/GpuElements.h"
#include "compiler/target/nvptx/GpuRowOps.h"
#include "passes/Upstream.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static SmallVector<GpuPhaseEmitter> &registry() {
  static SmallVector<GpuPhaseEmitter> emitters;
  return emitters;
}

GpuPhaseEmitterRegistration::GpuPhaseEmitterRegistration(GpuPhaseEmitter emitter) {
  registry().push_back(emitter);
}

const GpuPhaseEmitter *lathe::compiler::findGpuPhaseEmitter(step::PhaseOp phase) {
  for (const GpuPhaseEmitter &emitter : registry())
    if (emitter.match(phase))
      return &emitter;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Phases over rows: a block takes every so many-th row
//===----------------------------------------------------------------------===//

/// Copies a row that is loaded and stored to another place.
static void emitCopy(GpuContext &c, step::StoreOp store, Value number) {
  GpuBuilder &k = c.k;
  GpuRows to = c.rowsOfBuffer(store.getDestination());
  Value from = c.rowPointer(store.getValue(), {number, k.constant(0)});
  Value row = k.at(to.data, k.mul(number, to.rowBytes));
  c.forThreads(k.constant(to.elements), [&](Value i) {
    Value offset = k.mul(i, 4);
    k.storeWide(k.loadWide(k.f32(), k.at(from, offset), 4), k.at(row, offset), 4);
  });
}

static LogicalResult emitRowPhase(GpuContext &c) {
  GpuBuilder &k = c.k;
  RowPhaseParts parts = findRowParts(c.phase);
  LogicalResult result = success();
  c.forBlocks(k.constant(0), c.rowCount(), [&](Value number) {
    result = emitGpuRows(c, parts.ops, number, k.constant(1));
    for (step::StoreOp store : parts.copies)
      emitCopy(c, store, number);
  });
  return result;
}

static const GpuPhaseEmitterRegistration rows({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Rows && !holdsUpstream(phase.getBody().front());
    },
    emitRowPhase,
});
