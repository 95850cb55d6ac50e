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

/// A body for each layer, where there is such a list.
static LogicalResult verifyBodies(LayerLoopOpInterface loop, StringRef what,
                                  std::optional<ArrayRef<int64_t>> list) {
  int64_t bodies = loop->getNumRegions();
  if (!list)
    return success();
  if (static_cast<int64_t>(list->size()) != static_cast<int64_t>(loop.getCount()))
    return loop->emitOpError() << what << " must name a body for each of the " << loop.getCount()
                               << " layers, got " << list->size();
  for (int64_t body : *list)
    if (body < 0 || body >= bodies)
      return loop->emitOpError() << what << " names body " << body << ", but there are " << bodies;
  return success();
}

static LogicalResult verifySelect(LayerLoopOpInterface loop) {
  int64_t bodies = loop->getNumRegions();
  if (!loop.getSelect() && bodies != 1)
    return loop->emitOpError() << "has " << bodies << " bodies and no select";
  if (failed(verifyBodies(loop, "select", loop.getSelect())) ||
      failed(verifyBodies(loop, "rest", loop.getRest())))
    return failure();
  std::optional<StringRef> behind = loop.getBehind();
  if (behind && !llvm::is_contained({"propagate", "none", "defer"}, *behind))
    return loop->emitOpError() << "behind must be propagate, none or defer, got " << *behind;
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
    if (loop.getBodyOf(number) == body || (loop.getRest() && (*loop.getRest())[number] == body))
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
  if (parseLayerNumbers(parser, "select", result.attributes) ||
      parseLayerNumbers(parser, "rest", result.attributes) ||
      parseLayerNumbers(parser, "skip", result.attributes))
    return failure();
  StringRef behind;
  if (failed(parser.parseOptionalKeyword("behind")))
    return success();
  if (parser.parseKeyword(&behind))
    return failure();
  result.attributes.append("behind", parser.getBuilder().getStringAttr(behind));
  return success();
}

void lathe::ir::printLayerChoice(OpAsmPrinter &printer, Operation *op) {
  auto loop = cast<LayerLoopOpInterface>(op);
  if (loop.getRows())
    printer << "at " << loop.getRows() << ' ';
  if (std::optional<ArrayRef<int64_t>> select = loop.getSelect())
    printer << "select [" << *select << "] ";
  if (std::optional<ArrayRef<int64_t>> rest = loop.getRest())
    printer << "rest [" << *rest << "] ";
  if (std::optional<ArrayRef<int64_t>> skip = loop.getSkip())
    printer << "skip [" << *skip << "] ";
  if (std::optional<StringRef> behind = loop.getBehind())
    printer << "behind " << *behind << ' ';
}

LayerChoice::LayerChoice(Operation *loop)
    : select(loop->getAttrOfType<DenseI64ArrayAttr>("select")),
      rest(loop->getAttrOfType<DenseI64ArrayAttr>("rest")),
      skip(loop->getAttrOfType<DenseI64ArrayAttr>("skip")),
      behind(loop->getAttrOfType<StringAttr>("behind")) {}

//===----------------------------------------------------------------------===//
// LayersOp
//===----------------------------------------------------------------------===//

void LayersOp::build(OpBuilder &builder, OperationState &state, int64_t count, ValueRange inits,
                     Value rows, const LayerChoice &choice, unsigned numBodies) {
  state.addOperands(inits);
  if (rows)
    state.addOperands(rows);
  state.addTypes(inits.getTypes());
  Properties &properties = state.getOrAddProperties<Properties>();
  properties.operandSegmentSizes = {static_cast<int32_t>(inits.size()), rows ? 1 : 0};
  properties.count = builder.getI64IntegerAttr(count);
  choice.set(properties);
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
                                {getCountAttrName(), getSelectAttrName(), getRestAttrName(),
                                 getSkipAttrName(), getBehindAttrName(),
                                 getOperandSegmentSizesAttrName()});
}

static YieldOp yieldOf(Region &body) { return cast<YieldOp>(body.front().getTerminator()); }

/// Whether one of its layers may be the last that runs.
bool LayersOp::mayBeLeft() {
  return llvm::any_of(getKeptLayers(), [&](int64_t layer) {
    return yieldOf(getBodies()[getBodyOf(layer)]).getUntil() != nullptr;
  });
}

/// What follows an exit, where there is none, is dropped.
static LogicalResult dropRest(LayersOp op, PatternRewriter &rewriter) {
  if ((!op.getRest() && !op.getBehind()) || op.mayBeLeft())
    return failure();
  rewriter.modifyOpInPlace(op, [&] {
    op.removeRestAttr();
    op.removeBehindAttr();
  });
  return success();
}

/// Whether no body reads a carried value, or gives another in its place.
static bool goesBy(LayersOp op, unsigned index) {
  return llvm::all_of(op.getBodies(), [&](Region &body) {
    YieldOp yield = yieldOf(body);
    Value carried = body.front().getArgument(index + 1);
    unsigned passed = yield.getLeaving().empty() ? 1 : 2;
    return yield.getValues()[index] == carried && yield.getLeavingValues()[index] == carried &&
           llvm::range_size(carried.getUses()) == passed;
  });
}

/// Tensors that only go by are what they were ahead of the stack.
static LogicalResult dropUnread(LayersOp op, PatternRewriter &rewriter) {
  llvm::BitVector unread(op.getNumResults());
  for (auto [index, type] : llvm::enumerate(op.getResultTypes()))
    unread[index] = !isa<KVType>(type) && goesBy(op, index);
  if (unread.none() || unread.all())
    return failure();
  SmallVector<Value> inits, results;
  for (auto [index, init] : llvm::enumerate(op.getInits()))
    if (!unread[index])
      inits.push_back(init);
  auto fresh = LayersOp::create(rewriter, op.getLoc(), op.getCount(), inits, op.getRows(),
                                LayerChoice(op), op.getBodies().size());
  for (auto [before, after] : llvm::zip(op.getBodies(), fresh.getBodies())) {
    rewriter.eraseBlock(&after.front());
    rewriter.inlineRegionBefore(before, after, after.end());
    YieldOp yield = yieldOf(after);
    for (unsigned index : llvm::reverse(llvm::to_vector(unread.set_bits()))) {
      if (!yield.getLeaving().empty())
        yield.getLeavingMutable().erase(index);
      yield.getValuesMutable().erase(index);
      after.front().eraseArgument(index + 1);
    }
  }
  auto next = fresh.getResults().begin();
  for (auto [index, init] : llvm::enumerate(op.getInits()))
    results.push_back(unread[index] ? init : Value(*next++));
  rewriter.replaceOp(op, results);
  return success();
}

static bool haveSameCode(Region &a, Region &b) {
  return OperationEquivalence::isRegionEquivalentTo(&a, &b, OperationEquivalence::IgnoreLocations);
}

/// Drops what layers do not need: what is behind exits where there are none, values that only
/// go by, and bodies that no layer runs, as they are only for skipped layers.  Layers run the
/// first of all bodies that are the same.
LogicalResult LayersOp::canonicalize(LayersOp op, PatternRewriter &rewriter) {
  if (succeeded(dropRest(op, rewriter)) || succeeded(dropUnread(op, rewriter)))
    return success();
  if (!op.getSelect())
    return failure();
  MutableArrayRef<Region> bodies = op.getBodies();
  llvm::BitVector used(bodies.size());
  SmallVector<int64_t> place(bodies.size(), 0); // The new number of each body.
  auto use = [&](std::optional<ArrayRef<int64_t>> list) {
    for (int64_t layer : op.getKeptLayers())
      if (list)
        used.set((*list)[layer]);
  };
  use(op.getSelect());
  use(op.getRest());
  SmallVector<unsigned> kept;
  for (unsigned body : used.set_bits()) {
    auto same =
        llvm::find_if(kept, [&](unsigned k) { return haveSameCode(bodies[k], bodies[body]); });
    place[body] = same - kept.begin();
    if (same == kept.end())
      kept.push_back(body);
  }
  if (kept.size() == bodies.size())
    return failure();
  // Skipped layers select the first body that is left: none but the kept ones count.
  LayerChoice choice(op);
  auto renumber = [&](DenseI64ArrayAttr before) {
    SmallVector<int64_t> after;
    for (int64_t body : before.asArrayRef())
      after.push_back(place[body]);
    return rewriter.getDenseI64ArrayAttr(after);
  };
  choice.select = kept.size() == 1 ? DenseI64ArrayAttr() : renumber(choice.select);
  if (choice.rest)
    choice.rest = renumber(choice.rest);
  auto fresh = LayersOp::create(rewriter, op.getLoc(), op.getCount(), op.getInits(), op.getRows(),
                                choice, kept.size());
  for (auto [body, target] : llvm::zip(kept, fresh.getBodies())) {
    rewriter.eraseBlock(&target.front());
    rewriter.inlineRegionBefore(op.getBodies()[body], target, target.end());
  }
  rewriter.replaceOp(op, fresh);
  return success();
}

/// The values that a body gives, and where it may be left.
static LogicalResult verifyYield(LayersOp op, Region &body) {
  auto yield = dyn_cast<YieldOp>(body.front().getTerminator());
  if (!yield)
    return op.emitOpError() << "a body must end in lathe.yield";
  if (yield.getValues().getTypes() != op.getResultTypes())
    return yield.emitOpError() << "types must be those of the carried values, ("
                               << op.getResultTypes() << "), got (" << yield.getValues().getTypes()
                               << ")";
  if (!yield.getUntil())
    return success();
  if (!op.getRows())
    return yield.emitOpError() << "asks the rows how sure is sure enough, but lathe.layers is not "
                                  "at any";
  if (op.getRest() && llvm::is_contained(*op.getRest(), body.getRegionNumber()))
    return yield.emitOpError() << "the body is in rest, behind an exit, and cannot be another";
  return success();
}

/// Later rows attend to the keys and values of layers behind an exit.
static LogicalResult verifyBehind(LayersOp op) {
  bool hasCache = llvm::any_of(op.getResultTypes(), llvm::IsaPred<KVType>);
  StringRef behind = op.getBehind().value_or("none");
  if (!op.mayBeLeft() || hasCache == (behind != "none"))
    return success();
  return op.emitOpError() << (hasCache ? "may be left and has a KV cache, so that it needs 'behind "
                                         "propagate' or 'behind defer'"
                                       : "has no KV cache that anything could be behind");
}

LogicalResult LayersOp::verifyRegions() {
  for (Region &body : getBodies())
    if (failed(verifyYield(*this, body)))
      return failure();
  return verifyBehind(*this);
}

//===----------------------------------------------------------------------===//
// YieldOp
//===----------------------------------------------------------------------===//

ParseResult YieldOp::parse(OpAsmParser &parser, OperationState &result) {
  using Operand = OpAsmParser::UnresolvedOperand;
  SmallVector<Operand> values, leaving;
  std::optional<Operand> until;
  SmallVector<Type> types;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseOperandList(values))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("until")) && parser.parseOperand(until.emplace()))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("leaving")) && parser.parseOperandList(leaving))
    return failure();
  if (!values.empty() && parser.parseColonTypeList(types))
    return failure();
  if (parser.resolveOperands(values, types, loc, result.operands) ||
      (until &&
       parser.resolveOperand(*until, getConfidenceType(parser.getContext()), result.operands)) ||
      (!leaving.empty() && parser.resolveOperands(leaving, types, loc, result.operands)))
    return failure();
  result.getOrAddProperties<Properties>().operandSegmentSizes = {
      static_cast<int32_t>(values.size()), until ? 1 : 0, static_cast<int32_t>(leaving.size())};
  return parser.parseOptionalAttrDict(result.attributes);
}

void YieldOp::print(OpAsmPrinter &printer) {
  if (!getValues().empty())
    printer << ' ' << getValues();
  if (getUntil())
    printer << " until " << getUntil();
  if (!getLeaving().empty())
    printer << " leaving " << getLeaving();
  if (!getValues().empty())
    printer << " : " << getValues().getTypes();
  printer.printOptionalAttrDict((*this)->getAttrs(), {getOperandSegmentSizesAttrName()});
}

LogicalResult YieldOp::verify() {
  if (getUntil() && !isa<LayersOp>((*this)->getParentOp()))
    return emitOpError() << "only layers have exits";
  if (getLeaving().empty())
    return success();
  if (!getUntil())
    return emitOpError() << "leaving needs until";
  if (getLeaving().getTypes() != getValues().getTypes())
    return emitOpError() << "what leaves must have the types of the values, ("
                         << getValues().getTypes() << "), got (" << getLeaving().getTypes() << ")";
  for (auto [value, leaving] : llvm::zip(getValues(), getLeaving()))
    if (isa<KVType>(value.getType()) && value != leaving)
      return emitOpError() << "what leaves must have the KV cache of the values";
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
