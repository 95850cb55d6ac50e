//===- SkipLayers.cpp - Leaves layers out for good -------------------------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/Exits/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/BuiltinOps.h"

#include <set>

namespace lathe {
#define GEN_PASS_DEF_SKIPLAYERSPASS
#include "passes/Exits/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

namespace {

struct SkipLayersPass : lathe::impl::SkipLayersPassBase<SkipLayersPass> {
  using SkipLayersPassBase::SkipLayersPassBase;

  PassCounter numSkipped{"skipped", "layers left out"};

  void runOnOperation() override {
    WalkResult walked = getOperation().walk([&](LayersOp op) {
      return failed(skip(op)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walked.wasInterrupted())
      signalPassFailure();
  }

private:
  LogicalResult skip(LayersOp op) {
    int64_t count = op.getCount();
    std::set<int64_t> all;
    if (op.getSkip())
      all.insert(op.getSkip()->begin(), op.getSkip()->end());
    size_t before = all.size();
    for (int64_t layer : layers) {
      if (layer < 0 || layer >= count)
        return op.emitError() << "there is no layer " << layer << " to skip among " << count;
      all.insert(layer);
    }
    if (all.empty())
      return success();
    if (static_cast<int64_t>(all.size()) == count)
      return op.emitError() << "all " << count << " layers would be skipped, expected one to stay";
    numSkipped += all.size() - before;
    op.setSkip(SmallVector<int64_t>(all.begin(), all.end()));
    return success();
  }
};

} // namespace

static const PassEffectRegistration effect("lathe-skip-layers", {NumericEffect::OtherFunction});
static const lathe::PassCounters<SkipLayersPass> counters{&SkipLayersPass::numSkipped};
