//===- PhaseParts.cpp - What phases are made of ----------------------------===//

#include "compiler/target/PhaseParts.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

std::pair<ir::AttentionOp, Value> compiler::findAttention(step::PhaseOp phase) {
  ir::AttentionOp attention;
  Value stored;
  for (Operation &op : phase.getBody().front()) {
    if (auto found = dyn_cast<ir::AttentionOp>(op))
      attention = found;
    else if (auto store = dyn_cast<step::StoreOp>(op))
      stored = store.getValue();
    else if (!isa<step::LoadOp, ir::MergeHeadsOp>(op))
      return {};
  }
  return {attention, stored};
}

RowPhaseParts compiler::findRowParts(step::PhaseOp phase) {
  RowPhaseParts parts;
  for (Operation &op : phase.getBody().front()) {
    if (auto store = dyn_cast<step::StoreOp>(op)) {
      if (store.getValue().getDefiningOp<step::LoadOp>())
        parts.copies.push_back(store);
    } else if (!isa<step::LoadOp, ir::WeightOp, ir::WidthOp>(op)) {
      parts.ops.push_back(&op);
    }
  }
  return parts;
}
