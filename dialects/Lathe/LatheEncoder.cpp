//===- LatheEncoder.cpp - Verifiers and costs of the ops of encoders -------===//

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Lathe/OpVerifiers.h"

using namespace mlir;
using namespace lathe::ir;

//===----------------------------------------------------------------------===//
// Embeddings
//===----------------------------------------------------------------------===//

static LogicalResult verifyTable(Operation *op, StringRef shape, Value table, Value result) {
  if (failed(verifyMatrix(op, "table", shape, table)))
    return failure();
  return verifyEqual(op, "width of the result", dimOf(result, 1), dimOf(table, 1));
}

/// One row of the table for each row.
static Cost costOfTable(Value table, Value result, int64_t rows) {
  auto type = cast<RankedTensorType>(table.getType());
  int64_t perRow =
      weightBytes(RankedTensorType::get({1, type.getDimSize(1)}, type.getElementType()));
  return {rows * dimOf(result, 1), rows * perRow};
}

LogicalResult EmbedPositionOp::verify() {
  return verifyTable(*this, "[positions, width]", getTable(), getResult());
}
LogicalResult EmbedSegmentOp::verify() {
  return verifyTable(*this, "[segments, width]", getTable(), getResult());
}
Cost EmbedPositionOp::getCost(int64_t rows) { return costOfTable(getTable(), getResult(), rows); }
Cost EmbedSegmentOp::getCost(int64_t rows) { return costOfTable(getTable(), getResult(), rows); }

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

LogicalResult LayerNormOp::verify() {
  if (!getEps().isFinite() || getEps().isNegative())
    return emitOpError() << "eps must be a finite number that is not negative, got "
                         << getEps().convertToDouble();
  return verifyEqual(*this, "size of weight and bias", dimOf(getWeight(), 0), dimOf(getInput(), 1));
}

Cost LayerNormOp::getCost(int64_t rows) {
  return {8 * rows * rowElements(getInput()), 8 * dimOf(getWeight(), 0)};
}

Cost GeluOp::getCost(int64_t rows) { return {24 * rows * rowElements(getInput()), 0}; }

/// How many rows a text has is not known here; the cost is that of the wanted rows.
Cost PoolOp::getCost(int64_t rows) { return {rows * rowElements(getInput()), 0}; }

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

LogicalResult SelfAttentionOp::verify() {
  // The accessor of a 64-bit attribute is unsigned.
  auto heads = static_cast<int64_t>(getHeads());
  if (heads < 1 || dimOf(getQuery(), 1) % heads != 0)
    return emitOpError() << "rows of " << dimOf(getQuery(), 1) << " elements do not divide into "
                         << heads << " heads";
  return verifyFinite(*this, "scale", getScale());
}

/// That of one row of the text for each row.
Cost SelfAttentionOp::getCost(int64_t rows) { return {4 * rows * rowElements(getQuery()), 0}; }
