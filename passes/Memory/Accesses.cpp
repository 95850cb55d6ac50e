//===- Accesses.cpp - What memory a phase touches --------------------------===//

#include "passes/Memory/Accesses.h"

#include "llvm/ADT/SetVector.h"

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

SmallVector<std::pair<int64_t, int64_t>> lathe::step::getBodyPairs(LayersOp layers) {
  llvm::SetVector<std::pair<int64_t, int64_t>> pairs;
  auto loop = cast<ir::LayerLoopOpInterface>(*layers);
  SmallVector<int64_t> kept = loop.getKeptLayers();
  for (auto [index, first] : llvm::enumerate(kept)) {
    pairs.insert({loop.getBodyOf(first), -1});
    for (int64_t second : ArrayRef(kept).drop_front(index + 1))
      pairs.insert({loop.getBodyOf(first), loop.getBodyOf(second)});
  }
  return pairs.takeVector();
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
