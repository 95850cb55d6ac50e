//===- ScreenHead.cpp - Lets a step skip most of the output head -----------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"
#include "passes/Precision/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"

namespace lathe {
#define GEN_PASS_DEF_SCREENHEADPASS
#include "passes/Precision/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

/// The op that gives a value, seen through the group it stands in.
static Operation *findProducer(Value value) {
  auto group = value.getDefiningOp<GroupOp>();
  if (!group)
    return value.getDefiningOp();
  unsigned number = cast<OpResult>(value).getResultNumber();
  return group.getBody().front().getTerminator()->getOperand(number).getDefiningOp();
}

/// The contraction that gives the first result of `forward`, if one does.
static LinearOp findHead(func::FuncOp forward) {
  if (forward.isExternal() || forward.getNumResults() == 0)
    return {};
  auto returned = dyn_cast<func::ReturnOp>(forward.getBody().front().getTerminator());
  auto head =
      returned ? dyn_cast_or_null<LinearOp>(findProducer(returned.getOperand(0))) : LinearOp();
  return head && head.getWeight().getDefiningOp<WeightOp>() ? head : LinearOp();
}

/// Bytes of the weights that a step reads: all but tables of which it reads single rows.
static int64_t countBytes(ModuleOp module) {
  llvm::StringSet<> read;
  module.walk([&](WeightOp weight) {
    if (llvm::any_of(weight->getUsers(), [](Operation *user) { return !isa<EmbedOp>(user); }))
      read.insert(weight.getWeights());
  });
  int64_t bytes = 0;
  for (auto weights : module.getOps<WeightsOp>())
    if (read.contains(weights.getSymName()))
      bytes += weights.getTensorBytes() * (weights.getLayers() ? weights.getLayers()->size() : 1);
  return bytes;
}

namespace {

struct ScreenHeadPass : lathe::impl::ScreenHeadPassBase<ScreenHeadPass> {
  using ScreenHeadPassBase::ScreenHeadPassBase;

  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
    LinearOp head = forward ? findHead(forward) : LinearOp();
    if (!head)
      return;
    std::string why = whyNot(head);
    if (remarks && !why.empty())
      head.emitRemark() << "the head stays whole: " << why;
    if (why.empty())
      screen(head);
  }

  WeightsOp weightsOf(LinearOp head) {
    auto weight = head.getWeight().getDefiningOp<WeightOp>();
    return getOperation().lookupSymbol<WeightsOp>(weight.getWeightsAttr());
  }

  double shareOf(LinearOp head) {
    return static_cast<double>(weightsOf(head).getTensorBytes()) /
           static_cast<double>(countBytes(getOperation()));
  }

  /// Why screening is impossible or not worth it; empty where it is.
  std::string whyNot(LinearOp head) {
    auto type = cast<RankedTensorType>(head.getWeight().getType());
    auto block = dyn_cast<BlockType>(type.getElementType());
    if (!block || block.getFormat() != "q8_0")
      return "its weight is not stored as q8_0";
    auto input = cast<RankedTensorType>(head.getInput().getType());
    if (!isa<QuantizedActivationType>(input.getElementType()))
      return "its rows are not !lathe.q8_act";
    if (!head->getResult(0).hasOneUse() || weightsOf(head).getLayers())
      return "it is more than the head";
    if (type.getDimSize(0) < leastRows || type.getDimSize(1) < leastWidth)
      return "it is too small";
    if (type.getDimSize(1) > mostWidth)
      return "its rows are too long";
    return shareOf(head) < leastShare ? "it is too little of what a step reads" : "";
  }

  void screen(LinearOp head) {
    int64_t wide = shareOf(head) < fourBitShare ? 5 : 4;
    auto type = cast<RankedTensorType>(head.getWeight().getType());
    std::string name = "q8_0_planes" + std::to_string(wide);
    auto planes = type.clone(BlockType::get(&getContext(), name));
    WeightsOp weights = weightsOf(head);
    weights.setType(planes);
    getOperation()->walk([&](WeightOp weight) {
      if (weight.getWeights() == weights.getSymName())
        weight.getResult().setType(planes);
    });
    OpBuilder builder(head);
    auto screened = HeadTopkOp::create(builder, head.getLoc(), head.getType(), head.getInput(),
                                       head.getWeight());
    head.replaceAllUsesWith(screened.getResult());
    head.erase();
    ++numHeads;
  }

  /// Rows are copied 16 bytes at a time, and those of one block are shorter.
  static constexpr int64_t leastWidth = 64;
  /// The certificate's slack is proved for 3,000 blocks.
  static constexpr int64_t mostWidth = 96000;

  PassCounter numHeads{"heads", "output heads that steps may skip most of"};
};

} // namespace

static const lathe::PassCounters<ScreenHeadPass> counters{&ScreenHeadPass::numHeads};
static const lathe::PassEffectRegistration effect("lathe-screen-head",
                                                  {lathe::NumericEffect::Exact});
