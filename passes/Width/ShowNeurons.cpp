//===- ShowNeurons.cpp - A model that gives the neurons of a layer ---------===//

#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"
#include "passes/Width/FindMLP.h"
#include "passes/Width/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/RegionUtils.h"

namespace lathe {
#define GEN_PASS_DEF_SHOWNEURONSPASS
#include "passes/Width/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

namespace {

/// Carries the neurons of the last layer that ran through one stack.
class NeuronCarrier {
public:
  explicit NeuronCarrier(LayersOp stack) : stack(stack), builder(stack) {}

  /// The neurons behind the stack; null with an error.
  Value carry();

private:
  LogicalResult findMLPs();
  Value buildInit();
  Value buildMatrix(WeightOp weight);

  LayersOp stack;
  OpBuilder builder;
  SmallVector<std::optional<MLP>> mlps; ///< One for each body.
  RankedTensorType type;                ///< Of the neurons.
};

} // namespace

LogicalResult NeuronCarrier::findMLPs() {
  for (Region &body : stack.getBodies()) {
    std::optional<MLP> &own = mlps.emplace_back();
    for (auto outer : body.front().getOps<LinearOp>())
      if (std::optional<MLP> mlp = findMLP(outer); mlp && !own && mlp->canBeNarrow())
        own = std::move(mlp);
    if (!own)
      continue;
    auto found = cast<RankedTensorType>(own->outer.getInput().getType());
    if (type && found != type)
      return stack.emitError() << "layers have neurons of types " << type << " and " << found
                               << ", expected one";
    type = found;
  }
  if (!type || !type.getElementType().isF32())
    return stack.emitError() << "expected layers with an MLP on f32 rows";
  return success();
}

/// The matrix of one of its layers, where there is no layer.
Value NeuronCarrier::buildMatrix(WeightOp weight) {
  constexpr StringLiteral name = "neurons.first";
  auto weights = SymbolTable::lookupNearestSymbolFrom<WeightsOp>(weight, weight.getWeightsAttr());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(weights);
  int64_t layer = weights.getLayers() ? weights.getLayers()->front() : 0;
  WeightsOp::create(builder, stack.getLoc(), name, weights.getTensorType(),
                    weights.getTensorName(layer), DenseI64ArrayAttr(), weights.getFileAttr(),
                    StringAttr());
  builder.setInsertionPoint(stack);
  return WeightOp::create(builder, stack.getLoc(), weight.getType(), name, Value());
}

/// Something of that type, which no layer reads.
Value NeuronCarrier::buildInit() {
  Location loc = stack.getLoc();
  for (std::optional<MLP> &mlp : mlps) {
    if (!mlp)
      continue;
    LinearOp inner = mlp->inner.front();
    auto weight = inner.getWeight().getDefiningOp<WeightOp>();
    auto rows = llvm::find_if(
        stack.getInits(), [&](Value init) { return init.getType() == inner.getInput().getType(); });
    if (!weight || rows == stack.getInits().end())
      continue;
    return LinearOp::create(builder, loc, type, *rows, buildMatrix(weight));
  }
  stack.emitError() << "expected an MLP that reads rows like those ahead of the stack";
  return {};
}

Value NeuronCarrier::carry() {
  if (!stack.getRows() || stack.mayBeLeft()) {
    stack.emitError() << "expected a stack at some rows, without exits";
    return {};
  }
  if (failed(findMLPs()))
    return {};
  Value init = buildInit();
  if (!init)
    return {};
  SmallVector<Value> inits(stack.getInits());
  inits.push_back(init);
  auto fresh = LayersOp::create(builder, stack.getLoc(), stack.getCount(), inits, stack.getRows(),
                                LayerChoice(stack), stack.getBodies().size());
  for (auto [from, to, mlp] : llvm::zip(stack.getBodies(), fresh.getBodies(), mlps)) {
    to.front().erase();
    to.takeBody(from);
    Value before = to.front().addArgument(type, stack.getLoc());
    auto yield = cast<YieldOp>(to.front().getTerminator());
    yield.getValuesMutable().append(mlp ? Value(mlp->outer.getInput()) : before);
  }
  stack.replaceAllUsesWith(fresh.getResults().drop_back());
  stack.erase();
  return fresh.getResults().back();
}

namespace {

struct ShowNeuronsPass : lathe::impl::ShowNeuronsPassBase<ShowNeuronsPass> {
  using ShowNeuronsPassBase::ShowNeuronsPassBase;

  PassCounter numDropped{"dropped", "weights that only what follows the layers read"};

  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
    SmallVector<SelectLogitsOp> selections;
    SmallVector<LayersOp> stacks;
    if (forward && llvm::hasSingleElement(forward.getBody())) {
      selections = llvm::to_vector(forward.getBody().getOps<SelectLogitsOp>());
      stacks = llvm::to_vector(forward.getBody().getOps<LayersOp>());
    }
    if (selections.size() != 1 || stacks.size() != 1) {
      getOperation().emitError()
          << "expected a @forward with one stack of layers that selects rows "
             "for logits once, found "
          << stacks.size() << " and " << selections.size();
      return signalPassFailure();
    }
    Value neurons = NeuronCarrier(stacks.front()).carry();
    if (!neurons)
      return signalPassFailure();
    OpBuilder builder(forward.getBody().front().getTerminator());
    show(forward, SelectLogitsOp::create(builder, forward.getLoc(), neurons.getType(), neurons,
                                         selections.front().getRows()));
  }

private:
  void show(func::FuncOp forward, Value result) {
    SmallVector<WeightsOp> read;
    for (auto weights : getOperation().getOps<WeightsOp>())
      if (!SymbolTable::symbolKnownUseEmpty(weights, getOperation()))
        read.push_back(weights);
    forward.getBody().front().getTerminator()->setOperand(0, result);
    SmallVector<Type> results(forward.getResultTypes());
    results.front() = result.getType();
    forward.setType(FunctionType::get(&getContext(), forward.getArgumentTypes(), results));
    IRRewriter rewriter(&getContext());
    (void)runRegionDCE(rewriter, forward.getBody());
    for (WeightsOp weights : read)
      if (SymbolTable::symbolKnownUseEmpty(weights, getOperation())) {
        weights.erase();
        ++numDropped;
      }
  }
};

} // namespace

static const PassEffectRegistration effect("lathe-show-neurons", {NumericEffect::OtherFunction});
static const lathe::PassCounters<ShowNeuronsPass> counters{&ShowNeuronsPass::numDropped};
