//===- Exits.cpp - What other passes do with exits --------------------------===//

#include "passes/Exits/Exits.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <algorithm>

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

/// Users come first, so that their purposes are known.
void Purposes::add(Block &body) {
  auto yield = dyn_cast_if_present<YieldOp>(body.empty() ? nullptr : &body.back());
  if (!yield || !yield.getUntil())
    return;
  auto purposeOfUse = [&](OpOperand &use) {
    if (use.getOwner() != yield)
      return of(body.findAncestorOpInBlock(*use.getOwner()));
    unsigned number = use.getOperandNumber(), values = yield.getValues().size();
    return number < values    ? Purpose::Layer
           : number == values ? Purpose::Confidence
                              : Purpose::Leaving;
  };
  for (Operation &op : llvm::reverse(body.without_terminator())) {
    Purpose purpose = op.use_empty() ? Purpose::Layer : Purpose::Leaving;
    for (OpOperand &use : op.getUses())
      purpose = std::min(purpose, purposeOfUse(use));
    known[&op] = purpose;
  }
}

unsigned lathe::dropExits(Operation *op) {
  unsigned dropped = 0;
  op->walk([&](YieldOp yield) {
    dropped += yield.getUntil() != nullptr;
    yield.getUntilMutable().clear();
    yield.getLeavingMutable().clear();
  });
  if (dropped == 0)
    return 0;
  RewritePatternSet patterns(op->getContext());
  LayersOp::getCanonicalizationPatterns(patterns, op->getContext());
  (void)applyPatternsGreedily(op, std::move(patterns));
  return dropped;
}
