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

LayersOp lathe::step::getResumedStack(ProgramOp program) {
  auto stacks = program.getBody().getOps<LayersOp>();
  bool alone = program.isEncoder() && llvm::hasSingleElement(stacks);
  return alone ? *stacks.begin() : LayersOp();
}

bool lathe::step::isOrderOpen(LayersOp layers) {
  return layers.getRows() || layers.getSkip() ||
         llvm::any_of(layers.getBodies(), [](Region &body) { return getWays(body).size() > 1; });
}

SmallVector<std::pair<int64_t, int64_t>> lathe::step::getBodyPairs(LayersOp layers) {
  llvm::SetVector<std::pair<int64_t, int64_t>> pairs;
  auto loop = cast<ir::LayerLoopOpInterface>(*layers);
  SmallVector<int64_t> kept = loop.getKeptLayers();
  auto bodiesOf = [&](int64_t layer) {
    SmallVector<int64_t, 2> bodies{loop.getBodyOf(layer)};
    if (loop.getRest())
      bodies.push_back((*loop.getRest())[layer]);
    return bodies;
  };
  for (auto [index, layer] : llvm::enumerate(kept))
    for (int64_t first : bodiesOf(layer)) {
      pairs.insert({first, -1});
      for (int64_t later : ArrayRef(kept).drop_front(index + 1))
        for (int64_t second : bodiesOf(later))
          pairs.insert({first, second});
    }
  return pairs.takeVector();
}

static void appendOps(Way &way, Region &region) {
  for (Block &block : region)
    for (Operation &op : block)
      way.push_back(&op);
}

SmallVector<Way> lathe::step::getWays(Region &body) {
  Way past, back, out;
  bool isLeft = false;
  for (Operation &op : body.front()) {
    auto exit = dyn_cast<ExitIfOp>(op);
    if (!exit) {
      past.push_back(&op);
      back.push_back(&op);
      if (!isLeft)
        out.push_back(&op);
      continue;
    }
    for (Way *way : {&back, &out}) {
      appendOps(*way, exit.getPredicate());
      way->push_back(exit);
    }
    appendOps(out, exit.getLeaving());
    isLeft = true;
  }
  return isLeft ? SmallVector<Way>{past, back, out} : SmallVector<Way>{past};
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
