//===- DropExits.cpp - The policy that never leaves early ------------------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/Exits/Exits.h"
#include "passes/Exits/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/BuiltinOps.h"

namespace lathe {
#define GEN_PASS_DEF_DROPEXITSPASS
#include "passes/Exits/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

namespace {

struct DropExitsPass : lathe::impl::DropExitsPassBase<DropExitsPass> {
  using DropExitsPassBase::DropExitsPassBase;

  PassCounter numDropped{"dropped", "exits dropped"};

  void runOnOperation() override {
    SmallVector<WeightsOp> read;
    for (auto weights : getOperation().getOps<WeightsOp>())
      if (!SymbolTable::symbolKnownUseEmpty(weights, getOperation()))
        read.push_back(weights);
    numDropped += dropExits(getOperation());
    for (WeightsOp weights : read)
      if (SymbolTable::symbolKnownUseEmpty(weights, getOperation()))
        weights.erase();
  }
};

} // namespace

static const lathe::PassCounters<DropExitsPass> counters{&DropExitsPass::numDropped};
static const PassEffectRegistration effect("lathe-drop-exits", {NumericEffect::Exact});
