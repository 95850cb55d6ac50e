//===- LatheWeights.cpp - Symbols of weights -------------------------------===//

#include "dialects/Lathe/LatheOps.h"

#include "runtime/support/Limits.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"

#include <numeric>

using namespace mlir;
using namespace lathe::ir;

static constexpr int64_t maxLayers = lathe::limits::MaxLayers;

static bool isPrefix(ArrayRef<int64_t> layers) {
  for (auto [index, layer] : llvm::enumerate(layers))
    if (layer != static_cast<int64_t>(index))
      return false;
  return !layers.empty();
}

/// `30 x` or `[0, 5] x`.
static ParseResult parseLayerList(OpAsmParser &parser, SmallVectorImpl<int64_t> &layers) {
  SMLoc loc = parser.getCurrentLocation();
  int64_t count;
  OptionalParseResult number = parser.parseOptionalInteger(count);
  if (number.has_value()) {
    if (failed(*number))
      return failure();
    if (count < 1 || count > maxLayers)
      return parser.emitError(loc)
             << "number of layers must be between 1 and " << maxLayers << ", got " << count;
    layers.resize(count);
    std::iota(layers.begin(), layers.end(), 0);
    return parser.parseKeyword("x");
  }
  auto element = [&] { return parser.parseInteger(layers.emplace_back()); };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, element))
    return failure();
  return parser.parseKeyword("x");
}

ParseResult WeightsOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name, source;
  if (parser.parseSymbolName(name, getSymNameAttrName(result.name), result.attributes) ||
      parser.parseColon())
    return failure();
  Type type;
  OptionalParseResult direct = parser.parseOptionalType(type);
  if (!direct.has_value()) {
    SmallVector<int64_t> layers;
    if (parseLayerList(parser, layers) || parser.parseType(type))
      return failure();
    result.addAttribute(getLayersAttrName(result.name),
                        parser.getBuilder().getDenseI64ArrayAttr(layers));
  } else if (failed(*direct)) {
    return failure();
  }
  if (parser.parseKeyword("from") ||
      parser.parseAttribute(source, getSourceAttrName(result.name), result.attributes))
    return failure();
  StringAttr file;
  if (succeeded(parser.parseOptionalKeyword("in")) &&
      parser.parseAttribute(file, getFileAttrName(result.name), result.attributes))
    return failure();
  OrderAttr order;
  if (succeeded(parser.parseOptionalKeyword("order")) &&
      parser.parseAttribute(order, getOrderAttrName(result.name), result.attributes))
    return failure();
  if (parser.parseOptionalAttrDict(result.attributes))
    return failure();
  result.addAttribute(getTypeAttrName(result.name), TypeAttr::get(type));
  return success();
}

void WeightsOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << " : ";
  if (std::optional<ArrayRef<int64_t>> layers = getLayers()) {
    if (isPrefix(*layers))
      printer << layers->size();
    else
      printer << '[' << *layers << ']';
    printer << " x ";
  }
  printer << getType() << " from " << getSourceAttr();
  if (getFile())
    printer << " in " << getFileAttr();
  if (getOrder())
    printer << " order " << getOrderAttr();
  printer.printOptionalAttrDict((*this)->getAttrs(),
                                {getSymNameAttrName(), getTypeAttrName(), getSourceAttrName(),
                                 getLayersAttrName(), getFileAttrName(), getOrderAttrName()});
}

/// Ascending numbers of layers, each once.
static LogicalResult verifyLayerList(WeightsOp op, ArrayRef<int64_t> layers) {
  if (layers.empty())
    return op.emitOpError() << "names no layer";
  for (auto [before, after] : llvm::zip(layers.drop_back(), layers.drop_front()))
    if (before >= after)
      return op.emitOpError() << "layers must be ascending, got " << after << " after " << before;
  if (layers.front() < 0 || layers.back() >= maxLayers)
    return op.emitOpError() << "layers must be between 0 and " << maxLayers - 1 << ", got "
                            << (layers.front() < 0 ? layers.front() : layers.back());
  return success();
}

/// Whether a file is below the program's folder, so that a program cannot read elsewhere.
static bool isBelow(StringRef file) {
  bool below = !file.empty() && !file.starts_with("/") && !file.contains('\0');
  for (StringRef part : llvm::split(file, '/'))
    below &= part != "..";
  return below;
}

static LogicalResult verifyPlace(WeightsOp op) {
  if (!op.getFile() || isBelow(*op.getFile()))
    return success();
  return op.emitOpError() << "file must be a path below the folder of the program, got "
                          << op.getFileAttr();
}

/// A dimension of a vector or a matrix, in a file below the program's folder.
static LogicalResult verifyOrder(WeightsOp op) {
  OrderAttr order = op.getOrderAttr();
  if (!order)
    return success();
  int64_t rank = op.getTensorType().getRank();
  if (rank > 2 || order.getDim() < 0 || order.getDim() >= rank)
    return op.emitOpError() << "an order is one of a dimension of a vector or a matrix, got "
                               "dimension "
                            << order.getDim() << " of " << op.getTensorType();
  bool named = order.getSource().count("{}") == (op.getLayers() ? 1u : 0u);
  if (!named || order.getSource().empty() || !isBelow(order.getFile()))
    return op.emitOpError() << "an order is a tensor of its layer in a file below the program's "
                               "folder, got "
                            << order;
  return success();
}

LogicalResult WeightsOp::verify() {
  RankedTensorType type = getTensorType();
  if (type.getRank() < 1 || type.getRank() > 3 || !isBoundedShape(type.getShape()))
    return emitOpError()
           << "a weight is a vector, a matrix or one matrix for each expert, of known "
              "size, got "
           << type;
  const BlockFormat *format = lathe::ir::getBlockFormat(type.getElementType());
  if (!format)
    return emitOpError() << "element type " << type.getElementType()
                         << " is no registered weight format";
  if (type.getShape().back() % format->BlockElements != 0)
    return emitOpError() << "last dimension must be a multiple of the block of "
                         << format->BlockElements << " elements, got " << type.getShape().back();
  if (format->RoundedBits &&
      (type.getRank() != 2 || type.getDimSize(1) % format->roundedMultiple() != 0 ||
       type.getDimSize(1) > BlockFormat::MostRounded))
    return emitOpError() << "a weight that is packed as int" << format->RoundedBits
                         << " is a matrix whose width is a multiple of "
                         << format->roundedMultiple() << " up to " << BlockFormat::MostRounded
                         << ", got " << type;
  size_t places = getSource().count("{}"), expected = getLayers() ? 1 : 0;
  if (places != expected)
    return emitOpError() << "source of a " << (getLayers() ? "layered" : "single")
                         << " weight must hold '{}' " << (getLayers() ? "once" : "nowhere")
                         << ", got " << getSourceAttr();
  if (getSource().empty())
    return emitOpError() << "source must name a tensor, got \"\"";
  if (failed(verifyPlace(*this)) || failed(verifyOrder(*this)))
    return failure();
  return getLayers() ? verifyLayerList(*this, *getLayers()) : success();
}

int64_t WeightsOp::getOrdinal(int64_t layer) {
  ArrayRef<int64_t> layers = *getLayers();
  auto it = llvm::find(layers, layer);
  return it == layers.end() ? -1 : it - layers.begin();
}

std::string WeightsOp::getTensorName(int64_t layer) {
  auto [before, after] = getSource().split("{}");
  return getLayers() ? (before + Twine(layer) + after).str() : getSource().str();
}

int64_t WeightsOp::getTensorBytes() {
  const BlockFormat *format = lathe::ir::getBlockFormat(getTensorType().getElementType());
  return getTensorType().getNumElements() / format->BlockElements * format->BlockBytes;
}
