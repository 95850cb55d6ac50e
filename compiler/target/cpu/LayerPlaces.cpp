//===- LayerPlaces.cpp - What differs from layer to layer ------------------===//

#include "compiler/target/cpu/LayerPlaces.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// The place of a layer among those that have the weight: how many of them come
/// before it.
static Value emitOrdinal(KernelBuilder &k, ArrayRef<int64_t> layers, Value layer) {
  if (layers.back() == static_cast<int64_t>(layers.size()) - 1)
    return layer;
  Value count = k.constant(0);
  for (int64_t other : layers)
    count = k.select(k.less(k.constant(other), layer), k.add(count, 1), count);
  return count;
}

KernelArgument lathe::compiler::weightIndex(ir::WeightOp op, const WeightTable &table) {
  auto weights = SymbolTable::lookupNearestSymbolFrom<ir::WeightsOp>(op, op.getWeightsAttr());
  int64_t place = table.lookup(op.getWeights());
  return [op, weights, place](KernelBuilder &caller, Value layer) mutable {
    Value index = caller.constant(place);
    if (!op.getLayer())
      return index;
    return caller.add(index, emitOrdinal(caller, *weights.getLayers(), layer));
  };
}

Value lathe::compiler::emitBodyIndex(KernelBuilder &k, ArrayRef<int64_t> select, Value layer) {
  Value body = k.constant(select.front());
  for (size_t i = 1; i < select.size(); ++i)
    if (select[i] != select[i - 1])
      body = k.select(k.less(layer, k.constant(i)), body, k.constant(select[i]));
  return body;
}

/// A layer has one width, whichever op asks for it.
static LogicalResult checkWidths(ModuleOp module, IntegerAttr layers) {
  int64_t count = layers ? layers.getInt() : 0;
  if (!layers)
    module.walk([&](step::LayersOp stack) { count = std::max<int64_t>(count, stack.getCount()); });
  SmallVector<ir::LayerWidth> widths = ir::findLayerWidths(module, count);
  WalkResult walked = module.walk([&](ir::WidthOp op) {
    ir::LayerWidth own = ir::getLayerWidth(op);
    for (int64_t layer : ir::getPossibleLayers(op.getLayer())) {
      if (layer < count && widths[layer] == own)
        continue;
      op.emitError() << "layer " << layer
                     << (layer < count ? " has other widths elsewhere in the program"
                                       : " is beyond the " + std::to_string(count) + " there are");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

LogicalResult lathe::compiler::checkLayerChoice(ModuleOp module) {
  auto facts = module->getAttrOfType<DictionaryAttr>("lathe.model");
  auto layers = facts ? facts.getAs<IntegerAttr>("layers") : IntegerAttr();
  WalkResult walked = module.walk([&](step::LayersOp stack) {
    if (!stack.getRows() || !layers || stack.getCount() == uint64_t(layers.getInt()))
      return WalkResult::advance();
    stack.emitError() << "the rows choose among the " << layers.getInt()
                      << " layers of the model, but the stack has " << stack.getCount();
    return WalkResult::interrupt();
  });
  return failure(walked.wasInterrupted() || failed(checkWidths(module, layers)));
}
