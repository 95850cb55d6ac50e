//===- LatheLayers.cpp - Weights symbols and the layer loop ----------------===//

#include "dialects/Lathe/LatheOps.h"

#include "runtime/support/Limits.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"

#include <numeric>

using namespace mlir;
using namespace lathe::ir;

static constexpr int64_t maxLayers = lathe::limits::MaxLayers;

//===----------------------------------------------------------------------===//
// WeightsOp
//===----------------------------------------------------------------------===//

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
  printer.printOptionalAttrDict((*this)->getAttrs(),
                                {getSymNameAttrName(), getTypeAttrName(), getSourceAttrName(),
                                 getLayersAttrName(), getFileAttrName()});
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

/// A file below the program's folder, so that a program cannot read elsewhere.
static LogicalResult verifyPlace(WeightsOp op) {
  if (!op.getFile())
    return success();
  StringRef file = *op.getFile();
  bool below = !file.empty() && !file.starts_with("/") && !file.contains('\0');
  for (StringRef part : llvm::split(file, '/'))
    below &= part != "..";
  if (below)
    return success();
  return op.emitOpError() << "file must be a path below the folder of the program, got "
                          << op.getFileAttr();
}

LogicalResult WeightsOp::verify() {
  RankedTensorType type = getTensorType();
  if (type.getRank() < 1 || type.getRank() > 2 || !isBoundedShape(type.getShape()))
    return emitOpError() << "a weight is a vector or a matrix of known size, got " << type;
  const BlockFormat *format = lathe::ir::getBlockFormat(type.getElementType());
  if (!format)
    return emitOpError() << "element type " << type.getElementType()
                         << " is no registered weight format";
  if (type.getShape().back() % format->BlockElements != 0)
    return emitOpError() << "last dimension must be a multiple of the block of "
                         << format->BlockElements << " elements, got " << type.getShape().back();
  size_t places = getSource().count("{}"), expected = getLayers() ? 1 : 0;
  if (places != expected)
    return emitOpError() << "source of a " << (getLayers() ? "layered" : "single")
                         << " weight must hold '{}' " << (getLayers() ? "once" : "nowhere")
                         << ", got " << getSourceAttr();
  if (getSource().empty())
    return emitOpError() << "source must name a tensor, got \"\"";
  if (failed(verifyPlace(*this)))
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

//===----------------------------------------------------------------------===//
// Loops over layers
//===----------------------------------------------------------------------===//

static LogicalResult verifySelect(LayerLoopOpInterface loop) {
  int64_t bodies = loop->getNumRegions();
  std::optional<ArrayRef<int64_t>> select = loop.getSelect();
  if (!select)
    return bodies == 1 ? success()
                       : loop->emitOpError() << "has " << bodies << " bodies and no select";
  if (static_cast<int64_t>(select->size()) != static_cast<int64_t>(loop.getCount()))
    return loop->emitOpError() << "select must name a body for each of the " << loop.getCount()
                               << " layers, got " << select->size();
  for (int64_t body : *select)
    if (body < 0 || body >= bodies)
      return loop->emitOpError() << "select names body " << body << ", but there are " << bodies;
  return success();
}

LogicalResult lathe::ir::verifyLayerLoop(Operation *op) {
  auto loop = cast<LayerLoopOpInterface>(op);
  int64_t count = loop.getCount();
  if (count < 1 || count > maxLayers)
    return op->emitOpError() << "count must be between 1 and " << maxLayers << ", got " << count;
  if (op->getNumRegions() == 0)
    return op->emitOpError() << "needs a body";
  if (failed(verifySelect(loop)))
    return failure();
  if (op->getOperandTypes() != op->getResultTypes())
    return op->emitOpError() << "carried values start as (" << op->getOperandTypes()
                             << ") and end as (" << op->getResultTypes() << ")";
  SmallVector<Type> expected{IndexType::get(op->getContext())};
  llvm::append_range(expected, op->getOperandTypes());
  for (Region &body : op->getRegions())
    if (body.getArgumentTypes() != expected)
      return op->emitOpError() << "a body must have arguments (" << expected << "), got ("
                               << body.getArgumentTypes() << ")";
  return success();
}

SmallVector<int64_t> lathe::ir::getPossibleLayers(Value layer) {
  APInt constant;
  if (matchPattern(layer, m_ConstantInt(&constant)))
    return {constant.getSExtValue()};
  auto argument = dyn_cast<BlockArgument>(layer);
  auto loop = argument
                  ? dyn_cast_if_present<LayerLoopOpInterface>(argument.getOwner()->getParentOp())
                  : LayerLoopOpInterface();
  SmallVector<int64_t> layers;
  if (!loop || argument.getArgNumber() != 0)
    return layers;
  unsigned body = argument.getOwner()->getParent()->getRegionNumber();
  for (int64_t number = 0, end = loop.getCount(); number < end; ++number)
    if (loop.getBodyOf(number) == body)
      layers.push_back(number);
  return layers;
}

//===----------------------------------------------------------------------===//
// LayersOp
//===----------------------------------------------------------------------===//

void LayersOp::build(OpBuilder &builder, OperationState &state, int64_t count, ValueRange inits,
                     DenseI64ArrayAttr select, unsigned numBodies) {
  state.addOperands(inits);
  state.addTypes(inits.getTypes());
  state.addAttribute(getCountAttrName(state.name), builder.getI64IntegerAttr(count));
  if (select)
    state.addAttribute(getSelectAttrName(state.name), select);
  OpBuilder::InsertionGuard guard(builder);
  for (unsigned i = 0; i < numBodies; ++i) {
    Region *region = state.addRegion();
    SmallVector<Type> types{builder.getIndexType()};
    llvm::append_range(types, inits.getTypes());
    builder.createBlock(region, region->end(), types,
                        SmallVector<Location>(types.size(), state.location));
  }
}

ParseResult LayersOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments(1);
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  int64_t first, count;
  arguments[0].type = parser.getBuilder().getIndexType();
  if (parser.parseArgument(arguments[0]) || parser.parseEqual() || parser.parseInteger(first) ||
      parser.parseKeyword("to") || parser.parseInteger(count))
    return failure();
  if (first != 0)
    return parser.emitError(parser.getNameLoc()) << "the stack starts at layer 0, got " << first;
  auto carried = [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(inits.emplace_back()));
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, carried))
    return failure();
  Builder &builder = parser.getBuilder();
  result.addAttribute(getCountAttrName(result.name), builder.getI64IntegerAttr(count));
  if (succeeded(parser.parseOptionalKeyword("select"))) {
    SmallVector<int64_t> select;
    auto element = [&] { return parser.parseInteger(select.emplace_back()); };
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, element))
      return failure();
    result.addAttribute(getSelectAttrName(result.name), builder.getDenseI64ArrayAttr(select));
  }
  if (parser.parseColonTypeList(result.types) ||
      parser.resolveOperands(inits, result.types, parser.getNameLoc(), result.operands))
    return failure();
  for (auto [argument, type] : llvm::zip(llvm::drop_begin(arguments), result.types))
    argument.type = type;
  do {
    if (parser.parseRegion(*result.addRegion(), arguments))
      return failure();
  } while (succeeded(parser.parseOptionalComma()));
  return parser.parseOptionalAttrDict(result.attributes);
}

void LayersOp::print(OpAsmPrinter &printer) {
  Block &head = getBodies().front().front();
  printer << ' ' << head.getArgument(0) << " = 0 to " << getCount() << " (";
  llvm::interleaveComma(
      llvm::zip(llvm::drop_begin(head.getArguments()), getInits()), printer,
      [&](auto pair) { printer << std::get<0>(pair) << " = " << std::get<1>(pair); });
  printer << ')';
  if (std::optional<ArrayRef<int64_t>> select = getSelect())
    printer << " select [" << *select << ']';
  printer << " : ";
  llvm::interleaveComma(getResultTypes(), printer);
  printer << ' ';
  llvm::interleaveComma(llvm::enumerate(getBodies()), printer, [&](auto indexed) {
    Region &body = indexed.value();
    // Every body names its arguments as the head does.
    if (indexed.index() != 0)
      printer.shadowRegionArgs(body, head.getArguments());
    printer.printRegion(body, /*printEntryBlockArgs=*/false);
  });
  printer.printOptionalAttrDict((*this)->getAttrs(), {getCountAttrName(), getSelectAttrName()});
}

LogicalResult LayersOp::verifyRegions() {
  for (Region &body : getBodies()) {
    auto yield = dyn_cast<YieldOp>(body.front().getTerminator());
    if (!yield)
      return emitOpError() << "a body must end in lathe.yield";
    if (yield.getOperandTypes() != getResultTypes())
      return yield.emitOpError() << "types must be those of the carried values, ("
                                 << getResultTypes() << "), got (" << yield.getOperandTypes()
                                 << ")";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// GroupOp
//===----------------------------------------------------------------------===//

LogicalResult GroupOp::verifyRegions() {
  auto yield = cast<YieldOp>(getBody().front().getTerminator());
  if (yield.getOperandTypes() != getResultTypes())
    return yield.emitOpError() << "types must be those of the results of the group, ("
                               << getResultTypes() << "), got (" << yield.getOperandTypes() << ")";
  return success();
}
