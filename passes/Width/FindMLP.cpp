//===- FindMLP.cpp - The MLPs of a layer ------------------------------------===//

#include "passes/Width/FindMLP.h"

#include "llvm/ADT/SetVector.h"

#include <numeric>

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

static bool isRowsOf(Type type, int64_t neurons) {
  auto rows = dyn_cast<RankedTensorType>(type);
  return rows && rows.getRank() == 2 && rows.isDynamicDim(0) && rows.getDimSize(1) == neurons;
}

/// Whether each column of the result needs that column of its rows alone.
static bool worksByColumn(Operation *op, int64_t neurons) {
  if (isa<QuantizeOp>(op))
    return true; // A block of a width's step has its own scale, or zeros change no scale.
  auto fusable = dyn_cast<FusionOpInterface>(op);
  return fusable && fusable.getFusionRole() == FusionRole::Elementwise &&
         op->getNumResults() == 1 && isRowsOf(op->getResult(0).getType(), neurons);
}

std::optional<MLP> lathe::findMLP(LinearOp outer) {
  MLP mlp;
  mlp.outer = outer;
  auto weight = cast<RankedTensorType>(outer.getWeight().getType());
  mlp.neurons = weight.getDimSize(1);
  mlp.step = std::lcm(PanelRows,
                      static_cast<int64_t>(getBlockFormat(weight.getElementType())->BlockElements));
  llvm::SetVector<Operation *> between; // With what gives the neurons.
  auto reach = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (op)
      between.insert(op);
    return op != nullptr;
  };
  if (!reach(outer.getInput()))
    return std::nullopt;
  for (size_t i = 0; i < between.size(); ++i) {
    Operation *op = between[i];
    if (auto linear = dyn_cast<LinearOp>(op)) {
      mlp.inner.push_back(linear);
      continue;
    }
    if (!worksByColumn(op, mlp.neurons))
      return std::nullopt;
    if (auto bias = dyn_cast<BiasOp>(op))
      mlp.biases.push_back(bias);
    for (Value operand : op->getOperands())
      if (isRowsOf(operand.getType(), mlp.neurons) && !reach(operand))
        return std::nullopt;
  }
  bool alone = llvm::all_of(between, [&](Operation *op) {
    return llvm::all_of(op->getUsers(), [&](Operation *user) {
      return user == outer || (between.contains(user) && !isa<LinearOp>(user));
    });
  });
  if (!alone || mlp.inner.empty())
    return std::nullopt;
  return mlp;
}
