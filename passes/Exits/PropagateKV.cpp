//===- PropagateKV.cpp - Keys and values of the layers behind an exit ------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/Exits/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

namespace lathe {
#define GEN_PASS_DEF_PROPAGATEKVPASS
#include "passes/Exits/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

/// What is carried through a layer goes by it, but for the KV cache.  What nothing needs
/// any more, canonicalisation erases.
static void keepCacheAlone(Region &body) {
  auto yield = cast<YieldOp>(body.front().getTerminator());
  yield.getUntilMutable().clear();
  yield.getLeavingMutable().clear();
  for (auto [index, value] : llvm::enumerate(yield.getValues()))
    if (!isa<KVType>(value.getType()))
      yield.setOperand(index, body.getArgument(index + 1));
}

/// Layer i runs, behind an exit, a copy of its body that gives keys and values alone.
static void propagate(LayersOp op) {
  OpBuilder builder(op);
  unsigned bodies = op.getBodies().size();
  LayerChoice choice(op);
  SmallVector<int64_t> select, rest;
  for (int64_t layer = 0, end = op.getCount(); layer < end; ++layer) {
    select.push_back(op.getBodyOf(layer));
    rest.push_back(bodies + select.back());
  }
  choice.select = builder.getDenseI64ArrayAttr(select);
  choice.rest = builder.getDenseI64ArrayAttr(rest);
  auto fresh = LayersOp::create(builder, op.getLoc(), op.getCount(), op.getInits(), op.getRows(),
                                choice, 2 * bodies);
  for (unsigned body = 0; body < bodies; ++body) {
    Region &copy = fresh.getBodies()[bodies + body], &moved = fresh.getBodies()[body];
    copy.front().erase();
    moved.front().erase();
    IRMapping mapping;
    op.getBodies()[body].cloneInto(&copy, mapping);
    keepCacheAlone(copy);
    moved.takeBody(op.getBodies()[body]);
  }
  op.replaceAllUsesWith(fresh.getResults());
  op.erase();
}

namespace {

struct PropagateKVPass : lathe::impl::PropagateKVPassBase<PropagateKVPass> {
  using PropagateKVPassBase::PropagateKVPassBase;

  PassCounter numStacks{"stacks", "stacks that go on behind an exit"};

  void runOnOperation() override {
    SmallVector<LayersOp> stacks;
    getOperation().walk([&](LayersOp op) {
      if (op.getBehind() == "propagate" && !op.getRest() && op.mayBeLeft())
        stacks.push_back(op);
    });
    for (LayersOp op : stacks)
      propagate(op);
    numStacks += stacks.size();
  }
};

} // namespace

static const lathe::PassCounters<PropagateKVPass> counters{&PropagateKVPass::numStacks};
static const PassEffectRegistration effect("lathe-propagate-kv", {NumericEffect::Exact});
