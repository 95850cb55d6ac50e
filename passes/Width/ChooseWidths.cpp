//===- ChooseWidths.cpp - Steps that compute a part of the neurons ---------===//

#include "passes/PassStatistics.h"
#include "passes/Width/FindMLP.h"
#include "passes/Width/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_CHOOSEWIDTHSPASS
#include "passes/Width/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

namespace {

struct ChooseWidthsPass : lathe::impl::ChooseWidthsPassBase<ChooseWidthsPass> {
  using ChooseWidthsPassBase::ChooseWidthsPassBase;

  PassCounter numMLPs{"mlps", "MLPs whose neurons a step chooses"};

  void runOnOperation() override {
    if (!(unasked > 0 && unasked <= 1)) {
      getOperation().emitError() << "unasked must be above 0 and at most 1, got "
                                 << unasked.getValue();
      return signalPassFailure();
    }
    SmallVector<LayersOp> stacks;
    getOperation().walk([&](LayersOp op) { stacks.push_back(op); });
    for (LayersOp stack : stacks) {
      if (!stack.getRows()) {
        stack.emitError() << "the stack is not at any rows, which say how wide it is";
        return signalPassFailure();
      }
      for (Region &body : stack.getBodies())
        choose(stack, body.front());
    }
    if (mlps.empty()) {
      getOperation().emitError() << "no layer has an MLP of which a step could compute a part";
      return signalPassFailure();
    }
    numMLPs += mlps.size();
    if (!file.empty() && failed(orderNeurons(getOperation(), mlps, file)))
      signalPassFailure();
    mlps.clear();
  }

private:
  SmallVector<MLP> mlps;

  void choose(LayersOp stack, Block &body) {
    WidthOp width;
    for (auto outer : llvm::make_early_inc_range(body.getOps<LinearOp>())) {
      std::optional<MLP> mlp = findMLP(outer);
      if (!mlp || !mlp->canBeNarrow() || outer.getOf())
        continue;
      if (!width)
        width = createWidth(stack, body, *mlp);
      // A layer has one width.
      if (width.getNeurons() != uint64_t(mlp->neurons) || width.getStep() % mlp->step != 0)
        continue;
      outer.getOfMutable().assign(width.getResult());
      for (LinearOp inner : mlp->inner)
        inner.getToMutable().assign(width.getResult());
      mlps.push_back(std::move(*mlp));
    }
  }

  WidthOp createWidth(LayersOp stack, Block &body, const MLP &mlp) {
    OpBuilder builder = OpBuilder::atBlockBegin(&body);
    IntegerAttr some;
    // 0.7 of 320 neurons are 224, whatever 0.7 is in binary.
    constexpr double slack = 1e-9;
    if (auto steps = static_cast<int64_t>(std::ceil(unasked * mlp.neurons / mlp.step - slack));
        steps * mlp.step < mlp.neurons)
      some = builder.getI64IntegerAttr(steps * mlp.step);
    return WidthOp::create(builder, body.front().getLoc(), WidthType::get(builder.getContext()),
                           stack.getRows(), body.getArgument(0),
                           builder.getI64IntegerAttr(mlp.neurons),
                           builder.getI64IntegerAttr(mlp.step), some);
  }
};

} // namespace

static const lathe::PassCounters<ChooseWidthsPass> counters{&ChooseWidthsPass::numMLPs};
