//===- OrderNeurons.cpp - Weights in the order of their neurons ------------===//

#include "passes/Width/FindMLP.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

namespace {

/// The dimension along which each weight has neurons.
class OrderedWeights {
public:
  LogicalResult add(Operation *user, Value weight, int64_t dim);
  LogicalResult write(Operation *module, StringRef file);

private:
  llvm::MapVector<WeightsOp, int64_t> dims;
  llvm::DenseSet<OpOperand *> uses; ///< Of weights, by MLPs.
};

} // namespace

LogicalResult OrderedWeights::add(Operation *user, Value weight, int64_t dim) {
  for (OpOperand &operand : user->getOpOperands())
    if (operand.get() == weight)
      uses.insert(&operand);
  auto named = weight.getDefiningOp<WeightOp>();
  if (!named || !named.getLayer())
    return emitError(weight.getLoc()) << "neurons can be stored in another order where their "
                                         "weights are a layer's lathe.weight";
  auto weights = SymbolTable::lookupNearestSymbolFrom<WeightsOp>(named, named.getWeightsAttr());
  auto [known, isNew] = dims.insert({weights, dim});
  if (!isNew && known->second != dim)
    return weights.emitError() << "has neurons along both dimensions, expected one";
  if (weights.getOrder())
    return weights.emitError() << "is stored in an order already";
  return success();
}

LogicalResult OrderedWeights::write(Operation *module, StringRef file) {
  WalkResult walked = module->walk([&](WeightOp named) {
    auto weights = SymbolTable::lookupNearestSymbolFrom<WeightsOp>(named, named.getWeightsAttr());
    if (!dims.contains(weights))
      return WalkResult::advance();
    for (OpOperand &use : named->getUses())
      if (!uses.contains(&use)) {
        named.emitError() << "is read elsewhere than by MLPs that have a width, so that it cannot "
                             "be stored in another order";
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  for (auto [weights, dim] : dims)
    weights->setAttr("order", OrderAttr::get(module->getContext(), dim, "width.{}.order", file));
  return failure(walked.wasInterrupted());
}

LogicalResult lathe::orderNeurons(Operation *module, ArrayRef<MLP> mlps, StringRef file) {
  OrderedWeights ordered;
  for (const MLP &mlp : mlps) {
    for (LinearOp inner : mlp.inner)
      if (failed(ordered.add(inner, inner.getWeight(), 0)))
        return failure();
    for (BiasOp bias : mlp.biases)
      if (failed(ordered.add(bias, bias.getBias(), 0)))
        return failure();
    LinearOp outer = mlp.outer;
    if (failed(ordered.add(outer, outer.getWeight(), 1)))
      return failure();
  }
  return ordered.write(module, file);
}
