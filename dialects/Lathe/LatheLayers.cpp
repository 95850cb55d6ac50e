//===- LatheLayers.cpp - Weights symbols and the layer loop ----------------===//

#include "dialects/Lathe/LatheOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

#include <numeric>

using namespace mlir;
using namespace lathe::ir;

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
  int64_t count;
  OptionalParseResult number = parser.parseOptionalInteger(count);
  if (number.has_value()) {
    if (failed(*number))
      return failure();
    constexpr int64_t limit = 4096;
    if (count < 1 || count > limit)
      return parser.emitError(parser.getCurrentLocation())
             << "number of layers must be between 1 and " << limit << ", got " << count;
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
    result.addAttribute(getLayersAttrName(result.name), parser.getBuilder().getDenseI64ArrayAttr(layers));
  } else if (failed(*direct)) {
    return failure();
  }
  if (parser.parseKeyword("from") ||
      parser.parseAttribute(source, getSourceAttrName(result.name), result.attributes) ||
      parser.parseOptionalAttrDict(result.attributes))
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
  printer.printOptionalAttrDict((*this)->getAttrs(), {getSymNameAttrName(), getTypeAttrName(),
                                                      getSourceAttrName(), getLayersAttrName()});
}

LogicalResult WeightsOp::verify() {
  RankedTensorType type = getTensorType();
  if (!type.hasStaticShape() || type.getRank() < 1 || type.getRank() > 2)
    return emitOpError() << "a weight is a vector or a matrix of known shape, got " << type;
  const BlockFormat *format = lathe::ir::getBlockFormat(type.getElementType());
  if (!format)
    return emitOpError() << "element type " << type.getElementType() << " is no registered weight format";
  if (type.getShape().back() % format->BlockElements != 0)
    return emitOpError() << "last dimension must be a multiple of the block of "
                         << format->BlockElements << " elements, got " << type.getShape().back();
  if (getLayers().has_value() != getSource().contains("{}"))
    return emitOpError() << (getLayers() ? "source of a layered weight must contain '{}', got \""
                                         : "only the source of a layered weight may contain '{}', got \"")
                         << getSource() << "\"";
  if (getLayers() && !llvm::is_sorted(*getLayers(), std::less_equal<int64_t>()))
    return emitOpError() << "layers must be ascending";
  return success();
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
    builder.createBlock(region, region->end(), types, SmallVector<Location>(types.size(), state.location));
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
  llvm::interleaveComma(llvm::zip(llvm::drop_begin(head.getArguments()), getInits()), printer,
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

LogicalResult LayersOp::verify() {
  if (getCount() < 1)
    return emitOpError() << "count must be positive, got " << getCount();
  if (getBodies().empty())
    return emitOpError() << "needs a body";
  std::optional<ArrayRef<int64_t>> select = getSelect();
  if (!select) {
    if (getBodies().size() != 1)
      return emitOpError() << "has " << getBodies().size() << " bodies and no select";
    return success();
  }
  if (select->size() != static_cast<size_t>(getCount()))
    return emitOpError() << "select must name a body for each of the " << getCount()
                         << " layers, got " << select->size();
  for (int64_t body : *select)
    if (body < 0 || body >= static_cast<int64_t>(getBodies().size()))
      return emitOpError() << "select names body " << body << ", but there are "
                           << getBodies().size();
  return success();
}

LogicalResult LayersOp::verifyRegions() {
  for (Region &body : getBodies()) {
    auto yield = dyn_cast<YieldOp>(body.front().getTerminator());
    if (!yield)
      return emitOpError() << "a body must end in lathe.yield";
    if (yield.getOperandTypes() != getResultTypes())
      return yield.emitOpError() << "types must be those of the carried values";
  }
  return success();
}

unsigned LayersOp::getBodyOf(int64_t layer) { return getSelect() ? (*getSelect())[layer] : 0; }

//===----------------------------------------------------------------------===//
// GroupOp
//===----------------------------------------------------------------------===//

LogicalResult GroupOp::verify() {
  auto yield = cast<YieldOp>(getBody().front().getTerminator());
  if (yield.getOperandTypes() != getResultTypes())
    return emitOpError() << "types of the yield must be those of the results";
  return success();
}
