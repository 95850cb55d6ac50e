//===- LatheLayers.cpp - Loops over layers ---------------------------------===//

#include "dialects/Lathe/LatheOps.h"

#include "runtime/support/Limits.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/BitVector.h"

using namespace mlir;
using namespace lathe::ir;

static constexpr int64_t maxLayers = lathe::limits::MaxLayers;

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

/// Ascending layers of the loop, and not all of them.
static LogicalResult verifySkip(LayerLoopOpInterface loop) {
  std::optional<ArrayRef<int64_t>> skip = loop.getSkip();
  if (!skip)
    return success();
  if (skip->empty())
    return loop->emitOpError() << "skip names no layer";
  int64_t count = loop.getCount(), before = -1;
  for (int64_t layer : *skip) {
    if (layer < 0 || layer >= count)
      return loop->emitOpError() << "skip names layer " << layer << " of " << count;
    if (layer <= before)
      return loop->emitOpError() << "skip must be ascending, got " << layer << " after " << before;
    before = layer;
  }
  if (static_cast<int64_t>(skip->size()) == count)
    return loop->emitOpError() << "skip must leave a layer, got all " << count;
  return success();
}

LogicalResult lathe::ir::verifyLayerLoop(Operation *op) {
  auto loop = cast<LayerLoopOpInterface>(op);
  int64_t count = loop.getCount();
  if (count < 1 || count > maxLayers)
    return op->emitOpError() << "count must be between 1 and " << maxLayers << ", got " << count;
  if (op->getNumRegions() == 0)
    return op->emitOpError() << "needs a body";
  if (failed(verifySelect(loop)) || failed(verifySkip(loop)))
    return failure();
  TypeRange carried = loop.getInits().getTypes();
  if (carried != op->getResultTypes())
    return op->emitOpError() << "carried values start as (" << carried << ") and end as ("
                             << op->getResultTypes() << ")";
  SmallVector<Type> expected{IndexType::get(op->getContext())};
  llvm::append_range(expected, carried);
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
  for (int64_t number : loop.getKeptLayers())
    if (loop.getBodyOf(number) == body)
      layers.push_back(number);
  return layers;
}

static ParseResult parseLayerNumbers(OpAsmParser &parser, StringRef keyword,
                                     NamedAttrList &attributes) {
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  SmallVector<int64_t> numbers;
  auto element = [&] { return parser.parseInteger(numbers.emplace_back()); };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, element))
    return failure();
  attributes.append(keyword, parser.getBuilder().getDenseI64ArrayAttr(numbers));
  return success();
}

ParseResult lathe::ir::parseLayerChoice(OpAsmParser &parser, OperationState &result,
                                        std::optional<OpAsmParser::UnresolvedOperand> &rows) {
  if (succeeded(parser.parseOptionalKeyword("at")) && parser.parseOperand(rows.emplace()))
    return failure();
  return failure(parseLayerNumbers(parser, "select", result.attributes) ||
                 parseLayerNumbers(parser, "skip", result.attributes));
}

void lathe::ir::printLayerChoice(OpAsmPrinter &printer, Operation *op) {
  auto loop = cast<LayerLoopOpInterface>(op);
  if (loop.getRows())
    printer << "at " << loop.getRows() << ' ';
  if (std::optional<ArrayRef<int64_t>> select = loop.getSelect())
    printer << "select [" << *select << "] ";
  if (std::optional<ArrayRef<int64_t>> skip = loop.getSkip())
    printer << "skip [" << *skip << "] ";
}

//===----------------------------------------------------------------------===//
// LayersOp
//===----------------------------------------------------------------------===//

void LayersOp::build(OpBuilder &builder, OperationState &state, int64_t count, ValueRange inits,
                     Value rows, DenseI64ArrayAttr select, DenseI64ArrayAttr skip,
                     unsigned numBodies) {
  state.addOperands(inits);
  if (rows)
    state.addOperands(rows);
  state.addTypes(inits.getTypes());
  Properties &properties = state.getOrAddProperties<Properties>();
  properties.operandSegmentSizes = {static_cast<int32_t>(inits.size()), rows ? 1 : 0};
  properties.count = builder.getI64IntegerAttr(count);
  properties.select = select;
  properties.skip = skip;
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
  std::optional<OpAsmParser::UnresolvedOperand> rows;
  if (parseLayerChoice(parser, result, rows) || parser.parseColonTypeList(result.types) ||
      parser.resolveOperands(inits, result.types, parser.getNameLoc(), result.operands) ||
      (rows && parser.resolveOperand(*rows, RowsType::get(parser.getContext()), result.operands)))
    return failure();
  result.getOrAddProperties<Properties>().operandSegmentSizes = {static_cast<int32_t>(inits.size()),
                                                                 rows ? 1 : 0};
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
  printer << ") ";
  printLayerChoice(printer, *this);
  printer << ": ";
  llvm::interleaveComma(getResultTypes(), printer);
  printer << ' ';
  llvm::interleaveComma(llvm::enumerate(getBodies()), printer, [&](auto indexed) {
    Region &body = indexed.value();
    // Every body names its arguments as the head does.
    if (indexed.index() != 0)
      printer.shadowRegionArgs(body, head.getArguments());
    printer.printRegion(body, /*printEntryBlockArgs=*/false);
  });
  printer.printOptionalAttrDict((*this)->getAttrs(),
                                {getCountAttrName(), getSelectAttrName(), getSkipAttrName(),
                                 getOperandSegmentSizesAttrName()});
}

/// Drops bodies that only skipped layers select.
LogicalResult LayersOp::canonicalize(LayersOp op, PatternRewriter &rewriter) {
  if (!op.getSelect() || !op.getSkip())
    return failure();
  ArrayRef<int64_t> before = *op.getSelect();
  llvm::BitVector used(op.getBodies().size());
  for (int64_t layer : cast<LayerLoopOpInterface>(*op).getKeptLayers())
    used.set(before[layer]);
  if (used.all())
    return failure();
  // Skipped layers select the first body that is left: none but the kept ones count.
  SmallVector<int64_t> place(used.size(), 0);
  for (auto [number, body] : llvm::enumerate(used.set_bits()))
    place[body] = number;
  SmallVector<int64_t> select;
  for (int64_t body : before)
    select.push_back(place[body]);
  bool isOne = used.count() == 1;
  auto fresh = LayersOp::create(rewriter, op.getLoc(), op.getCount(), op.getInits(), op.getRows(),
                                isOne ? DenseI64ArrayAttr() : rewriter.getDenseI64ArrayAttr(select),
                                op.getSkipAttr(), used.count());
  for (auto [body, target] : llvm::zip(used.set_bits(), fresh.getBodies())) {
    rewriter.eraseBlock(&target.front());
    rewriter.inlineRegionBefore(op.getBodies()[body], target, target.end());
  }
  rewriter.replaceOp(op, fresh);
  return success();
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
