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

namespace {

/// Gives one stack its `rest`.
class KVPropagation {
public:
  explicit KVPropagation(LayersOp stack) : stack(stack), builder(stack) {}

  void run();

private:
  void addSources();
  void addSource(unsigned index);
  LayersOp createStack();
  void keepCacheAlone(Region &body);

  LayersOp stack;
  OpBuilder builder;
  /// Of carried values the carried ones that hold, behind an exit, what its layer gave.
  SmallVector<std::pair<unsigned, unsigned>> sources;
};

} // namespace

static YieldOp yieldOf(Region &body) { return cast<YieldOp>(body.front().getTerminator()); }

/// Whether some exit has another value leave than its layer gives.
static bool leavesOther(LayersOp op, unsigned index) {
  return llvm::any_of(op.getBodies(), [&](Region &body) {
    YieldOp yield = yieldOf(body);
    return yield.getUntil() && yield.getLeavingValues()[index] != yield.getValues()[index];
  });
}

/// What leaves is the exit's view of the row, made for the output head.  The layers behind
/// are to read the row itself, which one more carried value keeps for them.
void KVPropagation::addSource(unsigned index) {
  unsigned source = stack.getNumResults() + sources.size();
  sources.emplace_back(index, source);
  Type type = stack.getResult(index).getType();
  for (Region &body : stack.getBodies()) {
    Value kept = body.front().addArgument(type, stack.getLoc());
    YieldOp yield = yieldOf(body);
    SmallVector<Value> leaving(yield.getLeavingValues());
    if (yield.getUntil()) {
      leaving.push_back(yield.getValues()[index]);
      yield.getLeavingMutable().assign(leaving);
    }
    yield.getValuesMutable().append(kept);
  }
}

void KVPropagation::addSources() {
  for (auto [index, type] : llvm::enumerate(stack.getResultTypes()))
    if (!isa<KVType>(type) && leavesOther(stack, index))
      addSource(index);
}

/// What is carried through a layer goes by it, but for the KV cache.  What nothing needs
/// any more, canonicalisation erases.
void KVPropagation::keepCacheAlone(Region &body) {
  Block &block = body.front();
  YieldOp yield = yieldOf(body);
  yield.getUntilMutable().clear();
  yield.getLeavingMutable().clear();
  for (auto [index, value] : llvm::enumerate(yield.getValues()))
    if (!isa<KVType>(value.getType()))
      yield.setOperand(index, block.getArgument(index + 1));
  for (auto [index, source] : sources)
    block.getArgument(index + 1).replaceAllUsesExcept(block.getArgument(source + 1), yield);
}

/// The stack with `rest`, and without bodies yet.
LayersOp KVPropagation::createStack() {
  unsigned bodies = stack.getBodies().size();
  LayerChoice choice(stack);
  SmallVector<int64_t> select, rest;
  for (int64_t layer = 0, end = stack.getCount(); layer < end; ++layer) {
    select.push_back(stack.getBodyOf(layer));
    rest.push_back(bodies + select.back());
  }
  choice.select = builder.getDenseI64ArrayAttr(select);
  choice.rest = builder.getDenseI64ArrayAttr(rest);
  SmallVector<Value> inits(stack.getInits());
  // Nothing reads it before an exit sets it.
  for (auto [index, source] : sources)
    inits.push_back(inits[index]);
  return LayersOp::create(builder, stack.getLoc(), stack.getCount(), inits, stack.getRows(), choice,
                          2 * bodies);
}

/// Layer i runs, behind an exit, a copy of its body that gives keys and values alone.
void KVPropagation::run() {
  addSources();
  LayersOp fresh = createStack();
  unsigned bodies = stack.getBodies().size();
  for (unsigned body = 0; body < bodies; ++body) {
    Region &copy = fresh.getBodies()[bodies + body], &moved = fresh.getBodies()[body];
    copy.front().erase();
    moved.front().erase();
    IRMapping mapping;
    stack.getBodies()[body].cloneInto(&copy, mapping);
    keepCacheAlone(copy);
    moved.takeBody(stack.getBodies()[body]);
  }
  for (auto [before, after] : llvm::zip(stack.getResults(), fresh.getResults()))
    before.replaceAllUsesWith(after);
  stack.erase();
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
      KVPropagation(op).run();
    numStacks += stacks.size();
  }
};

} // namespace

static const lathe::PassCounters<PropagateKVPass> counters{&PropagateKVPass::numStacks};
static const PassEffectRegistration effect("lathe-propagate-kv", {NumericEffect::Exact});
