//===- Accesses.cpp - What memory a phase touches --------------------------===//

#include "passes/Memory/Accesses.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::step;

SmallVector<Access> lathe::step::getAccesses(PhaseOp phase) {
  SmallVector<Access> accesses;
  for (Operation &op : phase.getBody().front()) {
    if (auto load = dyn_cast<LoadOp>(op)) {
      accesses.push_back({load.getBuffer(), false});
    } else if (auto store = dyn_cast<StoreOp>(op)) {
      accesses.push_back({store.getDestination(), true});
    } else if (auto fusable = dyn_cast<ir::FusionOpInterface>(op);
               fusable && fusable.getFusionRole() == ir::FusionRole::Attention) {
      for (Value operand : op.getOperands())
        if (isa<ir::KVType>(operand.getType()))
          accesses.push_back({operand, false});
    }
  }
  return accesses;
}

LayersOp lathe::step::getResumedStack(ProgramOp program) {
  auto stacks = program.getBody().getOps<LayersOp>();
  bool alone = program.isEncoder() && llvm::hasSingleElement(stacks);
  return alone ? *stacks.begin() : LayersOp();
}

bool lathe::step::conflict(const Access &a, const Access &b) {
  if (!a.write && !b.write)
    return false;
  auto first = a.memory.getDefiningOp<AllocOp>(), second = b.memory.getDefiningOp<AllocOp>();
  if (!first || !second)
    return a.memory == b.memory;
  assert(first.getOffset() && second.getOffset() && "memory planning comes first");
  int64_t firstBegin = *first.getOffset(), secondBegin = *second.getOffset();
  return firstBegin < secondBegin + second.getType().getBytes() &&
         secondBegin < firstBegin + first.getType().getBytes();
}
