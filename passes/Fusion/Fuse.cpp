//===- Fuse.cpp - Decides which ops are computed together ------------------===//

#include "passes/Fusion/FusionPlan.h"
#include "passes/Fusion/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/Builders.h"

namespace lathe {
#define GEN_PASS_DEF_FUSEPASS
#include "passes/Fusion/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

/// Moves the ops of a group into a `lathe.group` in front of `before`.
static void materialize(const FusionPlan::Group &group, Operation *before) {
  llvm::SmallPtrSet<Operation *, 8> members(group.ops.begin(), group.ops.end());
  SmallVector<Value> results;
  for (Operation *op : group.ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            Operation *ancestor = op->getBlock()->findAncestorOpInBlock(*user);
            return !members.contains(ancestor);
          }))
        results.push_back(result);
  OpBuilder builder(before);
  auto groupOp = GroupOp::create(builder, group.ops.front()->getLoc(),
                                 ValueRange(results).getTypes(), builder.getStringAttr(group.name));
  Block *body = builder.createBlock(&groupOp.getBody());
  for (Operation *op : group.ops)
    op->moveBefore(body, body->end());
  builder.setInsertionPointToEnd(body);
  YieldOp::create(builder, groupOp.getLoc(), results);
  for (auto [inner, outer] : llvm::zip(results, groupOp.getResults()))
    inner.replaceUsesWithIf(
        outer, [&](OpOperand &use) { return !groupOp->isProperAncestor(use.getOwner()); });
}

namespace {

struct FusePass : lathe::impl::FusePassBase<FusePass> {
  using FusePassBase::FusePassBase;

  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation()->walk([&](Block *block) {
      bool fusable = llvm::any_of(*block, [](Operation &op) { return isa<FusionOpInterface>(op); });
      if (fusable && !isa<GroupOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    for (Block *block : blocks)
      fuse(*block);
  }

  void fuse(Block &block) {
    FusionPlan plan(block, {prologues, epilogues, siblings});
    if (remarks)
      explain(block, plan);
    numPrologues += plan.numPrologues;
    numEpilogues += plan.numEpilogues;
    numSiblings += plan.numSiblings;
    Operation *end = block.getTerminator();
    for (const FusionPlan::Unit &unit : plan.order()) {
      if (unit.single) {
        unit.single->moveBefore(end);
        continue;
      }
      materialize(plan.getGroup(*unit.group), end);
      ++numGroups;
    }
  }

  void explain(Block &block, const FusionPlan &plan) {
    for (Operation &op : block) {
      if (!isa<FusionOpInterface>(op))
        continue;
      std::optional<unsigned> group = plan.groupOf(&op);
      if (StringRef why = plan.whyNot(&op); !why.empty())
        op.emitRemark() << "not fused because " << why;
      else if (group)
        op.emitRemark() << "fused into group \"" << plan.getGroup(*group).name << "\"";
    }
  }

  PassCounter numGroups{"groups", "fusion groups made"};
  PassCounter numPrologues{"prologues", "row-wise ops fused into a contraction"};
  PassCounter numEpilogues{"epilogues", "elementwise ops and views fused into a contraction"};
  PassCounter numSiblings{"siblings", "contractions that joined the group of another"};
};

} // namespace

static const lathe::PassCounters<FusePass> counters{
    &FusePass::numGroups, &FusePass::numPrologues, &FusePass::numEpilogues, &FusePass::numSiblings};
static const lathe::PassEffectRegistration effect("lathe-fuse", {lathe::NumericEffect::Exact});
