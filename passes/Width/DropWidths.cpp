//===- DropWidths.cpp - The policy that computes all neurons ---------------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/PassStatistics.h"
#include "passes/Width/Passes.h"

#include "mlir/IR/BuiltinOps.h"

namespace lathe {
#define GEN_PASS_DEF_DROPWIDTHSPASS
#include "passes/Width/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

namespace {

struct DropWidthsPass : lathe::impl::DropWidthsPassBase<DropWidthsPass> {
  using DropWidthsPassBase::DropWidthsPassBase;

  PassCounter numDropped{"dropped", "contractions that compute all again"};

  void runOnOperation() override {
    SmallVector<WidthOp> widths;
    getOperation().walk([&](Operation *op) {
      if (auto width = dyn_cast<WidthOp>(op))
        widths.push_back(width);
      auto linear = dyn_cast<LinearOp>(op);
      if (!linear || (!linear.getTo() && !linear.getOf()))
        return;
      linear.getToMutable().clear();
      linear.getOfMutable().clear();
      ++numDropped;
    });
    for (WidthOp width : widths)
      width.erase();
  }
};

} // namespace

static const lathe::PassCounters<DropWidthsPass> counters{&DropWidthsPass::numDropped};
