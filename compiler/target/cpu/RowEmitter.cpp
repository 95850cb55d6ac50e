//===- RowEmitter.cpp - Code for ops that work on whole rows ---------------===//

#include "compiler/target/cpu/RowEmitter.h"
#include "compiler/target/PhaseParts.h"
#include "compiler/target/cpu/Epilogue.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static llvm::StringMap<RowEmitter> &registry() {
  static llvm::StringMap<RowEmitter> emitters;
  return emitters;
}

RowEmitterRegistration::RowEmitterRegistration(llvm::StringRef opName, RowEmitter emitter) {
  registry()[opName] = emitter;
}

RowEmitter lathe::compiler::findRowEmitter(llvm::StringRef opName) {
  return registry().lookup(opName);
}

/// Copies a row that is stored where it does not come to be on its own: one
/// that is loaded, or stored to a second place.
static void emitStoreCopy(PhaseContext &c, step::StoreOp store, Value row, int64_t rows) {
  Rows destination = c.rowsOfBuffer(store.getDestination());
  Value from = c.rowPointer(store.getValue(), row, rows);
  Value to = c.k.at(destination.data, c.k.mul(row, destination.rowBytes));
  int64_t lanes = commonLanes({destination.elements});
  c.k.forLoop(
      c.k.constant(0), c.k.constant(destination.elements * 4), lanes * 4, [&](Value offset) {
        c.k.store(c.k.load(c.k.vec(c.k.f32(), lanes), c.k.at(from, offset)), c.k.at(to, offset));
      });
}

static LogicalResult emitOps(PhaseContext &c, ArrayRef<Operation *> ops, Value row, int64_t rows) {
  for (Operation *op : ops) {
    StringRef name = op->getName().getStringRef();
    if (RowEmitter emitter = findRowEmitter(name))
      emitter(c, op, row, rows);
    else if (findElementwiseEmitter(name) || isa<ir::KVAppendOp>(op))
      emitElementwiseRow(c, op, row, rows);
    else
      return op->emitError() << "no code for '" << op->getName() << "' in a phase over rows";
  }
  return success();
}

LogicalResult lathe::compiler::emitRowPhase(PhaseContext &c) {
  RowPhaseParts parts = findRowParts(c.phase);
  auto [from, to] = c.workerRange(c.rowCount());
  LogicalResult result = success();
  c.k.forLoop(from, to, 1, [&](Value row) {
    result = emitOps(c, parts.ops, row, 1);
    for (step::StoreOp store : parts.copies)
      emitStoreCopy(c, store, row, 1);
  });
  return result;
}

LogicalResult lathe::compiler::emitPrologue(PhaseContext &c, ArrayRef<Operation *> ops) {
  if (ops.empty())
    return success();
  LogicalResult result = success();
  c.k.forLoop(c.k.constant(0), c.rowCount(), 1,
              [&](Value row) { result = emitOps(c, ops, row, c.maxRows()); });
  return result;
}
