//===- LatheOps.cpp - Verifiers, folds and costs of the ops ----------------===//

#include "dialects/Lathe/LatheOps.h"

#include "dialects/Lathe/OpVerifiers.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

#include <cmath>

using namespace mlir;
using namespace lathe::ir;

/// The bare word: `interleaved` or `half`.
static ParseResult parseRopeLayout(OpAsmParser &parser, RopeLayoutAttr &layout) {
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  std::optional<RopeLayout> found = symbolizeRopeLayout(word);
  if (!found)
    return parser.emitError(loc) << "expected 'interleaved' or 'half', got '" << word << "'";
  layout = RopeLayoutAttr::get(parser.getContext(), *found);
  return success();
}

static void printRopeLayout(OpAsmPrinter &printer, Operation *, RopeLayoutAttr layout) {
  printer << stringifyRopeLayout(layout.getValue());
}

#define GET_OP_CLASSES
#include "dialects/Lathe/LatheOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

static Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

int64_t lathe::ir::rowElements(Value value) {
  int64_t elements = 1;
  for (int64_t size : cast<RankedTensorType>(value.getType()).getShape().drop_front())
    elements *= size;
  return elements;
}

LogicalResult lathe::ir::verifyEqual(Operation *op, StringRef what, int64_t found,
                                     int64_t expected) {
  if (found == expected)
    return success();
  return op->emitOpError() << what << " must be " << expected << ", got " << found;
}

LogicalResult lathe::ir::verifyMatrix(Operation *op, StringRef what, StringRef shape,
                                      Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  if (type.getRank() != 2 || !isBoundedShape(type.getShape()))
    return op->emitOpError() << what << " must be " << shape << " of known size, got " << type;
  const lathe::BlockFormat *format = getBlockFormat(type.getElementType());
  if (!format)
    return op->emitOpError() << what << " has element type " << type.getElementType()
                             << ", which is no registered weight format";
  if (type.getDimSize(1) % format->BlockElements != 0)
    return op->emitOpError() << "rows of the " << what << " must be a multiple of the block of "
                             << format->BlockElements << " elements, got " << type.getDimSize(1);
  return success();
}

LogicalResult lathe::ir::verifyFinite(Operation *op, StringRef what, const APFloat &value) {
  if (value.isFinite())
    return success();
  return op->emitOpError() << what << " must be a finite number, got " << value.convertToDouble();
}

/// Fails when a layer that runs `op` is none of the cache's.
static LogicalResult verifyCachedLayer(Operation *op, KVType cache, Value layer) {
  for (int64_t number : getPossibleLayers(layer))
    if (number < 0 || number >= cache.getLayers())
      return op->emitOpError() << "layer " << number << " is beyond a cache of "
                               << cache.getLayers() << " layers";
  return success();
}

int64_t lathe::ir::weightBytes(RankedTensorType type) {
  const lathe::BlockFormat *format = getBlockFormat(type.getElementType());
  if (!format)
    return 0;
  int64_t packed = (format->PanelBlockBytes + format->TailBlockBytes) / PanelRows;
  return type.getNumElements() / format->BlockElements *
         (format->PackingOf.empty() ? format->BlockBytes : packed);
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weights = symbols.lookupNearestSymbolFrom<WeightsOp>(*this, getWeightsAttr());
  if (!weights)
    return emitOpError() << "there is no lathe.weights @" << getWeights();
  if (weights.getTensorType() != getType())
    return emitOpError() << "type of @" << getWeights() << " is " << weights.getTensorType()
                         << ", but the value has type " << getType();
  if (weights.getLayers().has_value() != static_cast<bool>(getLayer()))
    return emitOpError() << "@" << getWeights()
                         << (getLayer() ? " is not a weight of the layer stack"
                                        : " is a weight of the layer stack and needs a layer");
  if (getLayer())
    for (int64_t layer : getPossibleLayers(getLayer()))
      if (weights.getOrdinal(layer) < 0)
        return emitOpError() << "layer " << layer << " has no weight @" << getWeights();
  return success();
}

//===----------------------------------------------------------------------===//
// Rows in and out
//===----------------------------------------------------------------------===//

LogicalResult EmbedOp::verify() {
  if (failed(verifyMatrix(*this, "table", "[vocabulary, width]", getTable())) ||
      failed(verifyFinite(*this, "scale", getScale())))
    return failure();
  return verifyEqual(*this, "width of the result", dimOf(getResult(), 1), dimOf(getTable(), 1));
}

Cost EmbedOp::getCost(int64_t rows) {
  auto table = cast<RankedTensorType>(getTable().getType());
  int64_t perRow =
      weightBytes(RankedTensorType::get({1, table.getDimSize(1)}, table.getElementType()));
  return {rows * dimOf(getResult(), 1), rows * perRow};
}

Cost SelectLogitsOp::getCost(int64_t) { return {}; }

//===----------------------------------------------------------------------===//
// Row-wise ops
//===----------------------------------------------------------------------===//

LogicalResult RMSNormOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType());
  if (!getEps().isFinite() || getEps().isNegative())
    return emitOpError() << "eps must be a finite number that is not negative, got "
                         << getEps().convertToDouble();
  return verifyEqual(*this, "size of the weight", dimOf(getWeight(), 0),
                     input.getDimSize(input.getRank() - 1));
}

FusionRole RMSNormOp::getFusionRole() {
  bool heads = cast<RankedTensorType>(getInput().getType()).getRank() == 3;
  return heads ? FusionRole::Elementwise : FusionRole::RowWise;
}

Cost RMSNormOp::getCost(int64_t rows) {
  return {4 * rows * rowElements(getInput()), 4 * dimOf(getWeight(), 0)};
}

LogicalResult QuantizeOp::verify() {
  if (failed(
          verifyEqual(*this, "width of the result", dimOf(getResult(), 1), dimOf(getInput(), 1))))
    return failure();
  if (isa<QuantizedActivationType>(elementOf(getResult())) && dimOf(getInput(), 1) % 32 != 0)
    return emitOpError() << "width must be a multiple of 32 for !lathe.q8_act, got "
                         << dimOf(getInput(), 1);
  if (isa<WideActivationType>(elementOf(getResult())) && dimOf(getInput(), 1) % 2 != 0)
    return emitOpError() << "width must be even for !lathe.q16_act, got " << dimOf(getInput(), 1);
  if (isa<ByteActivationType>(elementOf(getResult())) && dimOf(getInput(), 1) % 4 != 0)
    return emitOpError() << "width must be a multiple of 4 for !lathe.u8_act, got "
                         << dimOf(getInput(), 1);
  return success();
}

Cost QuantizeOp::getCost(int64_t rows) { return {4 * rows * rowElements(getInput()), 0}; }

LogicalResult RopeTableOp::verify() {
  int64_t pairs = dimOf(getResult(), 1);
  if (failed(verifyEqual(*this, "last dimension of the result", dimOf(getResult(), 2), 2)))
    return failure();
  double base = getBase().convertToDouble();
  if (!std::isfinite(base) || base <= 0)
    return emitOpError() << "base must be a positive number, got " << base;
  float stretch = getStretch().convertToFloat();
  if (!std::isfinite(stretch) || stretch <= 0)
    return emitOpError() << "stretch must be a positive number, got " << stretch;
  std::optional<ArrayRef<float>> factors = getFactors();
  if (!factors)
    return success();
  for (float factor : *factors)
    if (!std::isfinite(factor) || factor <= 0)
      return emitOpError() << "factors must be positive numbers, got " << factor;
  return verifyEqual(*this, "number of factors", factors->size(), pairs);
}

Cost RopeTableOp::getCost(int64_t rows) { return {20 * rows * rowElements(getResult()), 0}; }

SmallVector<float> RopeTableOp::getFrequencies() {
  int64_t pairs = dimOf(getResult(), 1);
  double base = getBase().convertToDouble();
  float stretch = getStretch().convertToFloat();
  SmallVector<float> frequencies(pairs);
  for (int64_t i = 0; i < pairs; ++i) {
    // In f32 as the models were trained, so that long positions agree.
    float power = static_cast<float>(std::pow(base, static_cast<double>(2 * i) / (2 * pairs)));
    frequencies[i] = 1.0f / power / stretch;
    if (getFactors())
      frequencies[i] /= (*getFactors())[i];
  }
  return frequencies;
}

//===----------------------------------------------------------------------===//
// Contraction
//===----------------------------------------------------------------------===//

/// Rows times a matrix.
template <typename ProductOp> static LogicalResult verifyProduct(ProductOp op) {
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  if (failed(verifyMatrix(op, "weight", "[outputs, inputs]", op.getWeight())) ||
      failed(
          verifyEqual(op, "width of the input", dimOf(op.getInput(), 1), weight.getDimSize(1))) ||
      failed(
          verifyEqual(op, "width of the result", dimOf(op.getResult(), 1), weight.getDimSize(0))))
    return failure();
  if (isa<QuantizedActivationType>(elementOf(op.getInput())) &&
      !isa<BlockType>(weight.getElementType()))
    return op.emitOpError() << "an !lathe.q8_act input needs a block-quantised weight, got "
                            << weight.getElementType();
  // Rows that are integers for the whole width, or for many columns, meet weights that are.
  Type rows = elementOf(op.getInput());
  int64_t bits = isa<WideActivationType>(rows) ? 16 : isa<ByteActivationType>(rows) ? 8 : 0;
  if (bits && getBlockFormat(weight.getElementType())->RoundedBits != bits)
    return op.emitOpError() << "an " << rows << " input needs a weight that is packed as int"
                            << bits << ", got " << weight.getElementType();
  return success();
}

static Cost costOfProduct(Value matrix, int64_t rows) {
  auto weight = cast<RankedTensorType>(matrix.getType());
  return {2 * rows * weight.getNumElements(), weightBytes(weight)};
}

LogicalResult LinearOp::verify() {
  return failed(verifyProduct(*this)) ? failure() : verifyWidths(*this);
}
/// That of the greatest width.
Cost LinearOp::getCost(int64_t rows) { return costOfProduct(getWeight(), rows); }

LogicalResult HeadTopkOp::verify() {
  constexpr int64_t most = 64;
  // The accessor of a 64-bit attribute is unsigned.
  auto k = static_cast<int64_t>(getK());
  if (k < 1 || k > most)
    return emitOpError() << "k must be from 1 to " << most << ", got " << k;
  if (!isa<QuantizedActivationType>(elementOf(getInput())))
    return emitOpError() << "input must be !lathe.q8_act rows, got " << elementOf(getInput());
  return verifyProduct(*this);
}
/// At most, which is what it takes where the rows cannot be told apart.
Cost HeadTopkOp::getCost(int64_t rows) { return costOfProduct(getWeight(), rows); }

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

LogicalResult SplitHeadsOp::verify() {
  return verifyEqual(*this, "heads times head dimension", rowElements(getResult()),
                     dimOf(getInput(), 1));
}
LogicalResult MergeHeadsOp::verify() {
  return verifyEqual(*this, "width of the result", dimOf(getResult(), 1), rowElements(getInput()));
}
Cost SplitHeadsOp::getCost(int64_t) { return {}; }
Cost MergeHeadsOp::getCost(int64_t) { return {}; }

OpFoldResult SplitHeadsOp::fold(FoldAdaptor) {
  auto merge = getInput().getDefiningOp<MergeHeadsOp>();
  return merge && merge.getInput().getType() == getType() ? merge.getInput() : OpFoldResult();
}
OpFoldResult MergeHeadsOp::fold(FoldAdaptor) {
  auto split = getInput().getDefiningOp<SplitHeadsOp>();
  return split ? split.getInput() : OpFoldResult();
}

LogicalResult RopeOp::verify() {
  int64_t dim = dimOf(getInput(), 2), pairs = dimOf(getTable(), 1);
  if (2 * pairs > dim)
    return emitOpError() << "table turns " << 2 * pairs << " elements, but a head has only " << dim;
  return verifyEqual(*this, "last dimension of the table", dimOf(getTable(), 2), 2);
}
Cost RopeOp::getCost(int64_t rows) { return {3 * rows * rowElements(getInput()), 0}; }

//===----------------------------------------------------------------------===//
// Attention and its state
//===----------------------------------------------------------------------===//

LogicalResult KVAppendOp::verify() {
  KVType cache = getCache().getType();
  if (failed(verifyEqual(*this, "key and value heads", dimOf(getKey(), 1), cache.getHeads())))
    return failure();
  if (failed(verifyEqual(*this, "head dimension", dimOf(getKey(), 2), cache.getHeadDim())))
    return failure();
  return verifyCachedLayer(*this, cache, getLayer());
}
Cost KVAppendOp::getCost(int64_t) { return {}; }

LogicalResult AttentionOp::verify() {
  KVType cache = getCache().getType();
  if (dimOf(getQuery(), 1) % cache.getHeads() != 0)
    return emitOpError() << dimOf(getQuery(), 1) << " query heads do not divide into "
                         << cache.getHeads() << " key and value heads";
  // The accessor of a 64-bit attribute is unsigned.
  auto window = static_cast<int64_t>(getWindow().value_or(1));
  if (window < 1)
    return emitOpError() << "window must be positive, got " << window;
  if (failed(verifyEqual(*this, "head dimension", dimOf(getQuery(), 2), cache.getHeadDim())) ||
      failed(verifyFinite(*this, "scale", getScale())))
    return failure();
  if (std::optional<Type> precision = getPrecisionType();
      precision && !(precision->isBF16() && cache.getElementType().isBF16()))
    return emitOpError() << "precision_type may be bf16, over a cache of bf16; got " << *precision
                         << ", over a cache of " << cache.getElementType();
  return verifyCachedLayer(*this, cache, getLayer());
}

/// The positions are not known here; the cost is that of one position per row.
Cost AttentionOp::getCost(int64_t rows) { return {4 * rows * rowElements(getQuery()), 0}; }

//===----------------------------------------------------------------------===//
// Elementwise ops
//===----------------------------------------------------------------------===//

Cost SiluOp::getCost(int64_t rows) { return {12 * rows * rowElements(getInput()), 0}; }
Cost GeluTanhOp::getCost(int64_t rows) { return {16 * rows * rowElements(getInput()), 0}; }
Cost AddOp::getCost(int64_t rows) { return {rows * rowElements(getLhs()), 0}; }
Cost MulOp::getCost(int64_t rows) { return {rows * rowElements(getLhs()), 0}; }
Cost BiasOp::getCost(int64_t rows) {
  return {rows * rowElements(getInput()), 4 * dimOf(getBias(), 0)};
}
LogicalResult BiasOp::verify() {
  return verifyEqual(*this, "size of the bias", dimOf(getBias(), 0), dimOf(getInput(), 1));
}
