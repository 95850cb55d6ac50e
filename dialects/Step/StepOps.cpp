//===- StepOps.cpp - Syntax and verifiers of the schedule level ------------===//

#include "dialects/Step/StepOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace lathe::step;

/// The bare word: `rows`, `columns` or `heads`.
static ParseResult parseAxis(OpAsmParser &parser, AxisAttr &axis) {
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  std::optional<Axis> found = symbolizeAxis(word);
  if (!found)
    return parser.emitError(loc) << "expected 'rows', 'columns' or 'heads', got '" << word << "'";
  axis = AxisAttr::get(parser.getContext(), *found);
  return success();
}

static void printAxis(OpAsmPrinter &printer, Operation *, AxisAttr axis) {
  printer << stringifyAxis(axis.getValue());
}

#define GET_OP_CLASSES
#include "dialects/Step/StepOps.cpp.inc"

//===----------------------------------------------------------------------===//
// ProgramOp
//===----------------------------------------------------------------------===//

void ProgramOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  constexpr StringLiteral names[] = {"rows", "kv", "logits"};
  for (auto [argument, name] : llvm::zip(region.getArguments(), names))
    setName(argument, name);
}

static ParseResult parseOptionalBytes(OpAsmParser &parser, StringRef keyword, StringAttr name,
                                      NamedAttrList &attributes) {
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  IntegerAttr bytes;
  return failure(
      parser.parseEqual() ||
      parser.parseAttribute(bytes, parser.getBuilder().getI64Type(), name.getValue(), attributes));
}

ParseResult ProgramOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  IntegerAttr maxRows;
  if (parser.parseSymbolName(name, getSymNameAttrName(result.name), result.attributes) ||
      parser.parseKeyword("max_rows") || parser.parseEqual() ||
      parser.parseAttribute(maxRows, parser.getBuilder().getI64Type(),
                            getMaxRowsAttrName(result.name).getValue(), result.attributes) ||
      parseOptionalBytes(parser, "arena", getArenaAttrName(result.name), result.attributes) ||
      parseOptionalBytes(parser, "bound", getArenaBoundAttrName(result.name), result.attributes))
    return failure();
  SmallVector<OpAsmParser::Argument> arguments;
  if (parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren, /*allowType=*/true) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  return parser.parseRegion(*result.addRegion(), arguments);
}

void ProgramOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << " max_rows = " << getMaxRows();
  if (getArena())
    printer << " arena = " << *getArena();
  if (getArenaBound())
    printer << " bound = " << *getArenaBound();
  printer << " (";
  llvm::interleaveComma(getBody().getArguments(), printer,
                        [&](BlockArgument argument) { printer.printRegionArgument(argument); });
  printer << ')';
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {getSymNameAttrName(), getMaxRowsAttrName(), getArenaAttrName(), getArenaBoundAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

/// A buffer has room for all rows that a step may have.
static LogicalResult verifyRoom(Operation *op, ProgramOp program, BufferType buffer) {
  int64_t rows = program.getMaxRows();
  if (buffer.getMaxRows() == rows)
    return success();
  return op->emitOpError() << "a buffer must have room for the " << rows
                           << " rows of the program, got " << buffer;
}

LogicalResult ProgramOp::verify() {
  if (static_cast<int64_t>(getMaxRows()) < 1)
    return emitOpError() << "max_rows must be positive, got " << static_cast<int64_t>(getMaxRows());
  if (getBody().getNumArguments() != 3 || !isa<ir::RowsType>(getRows().getType()) ||
      !isa<ir::KVType>(getCache().getType()) || !isa<BufferType>(getLogits().getType()))
    return emitOpError()
           << "arguments must be the rows, the KV cache and the buffer of the logits, got ("
           << getBody().getArgumentTypes() << ")";
  auto logits = cast<BufferType>(getLogits().getType());
  if (logits.getShape().size() != 2 || !logits.getElementType().isF32())
    return emitOpError() << "logits must be rows of f32, got " << logits;
  for (std::optional<uint64_t> bytes : {getArena(), getArenaBound()})
    if (static_cast<int64_t>(bytes.value_or(0)) < 0)
      return emitOpError() << "sizes of the arena must not be negative, got "
                           << static_cast<int64_t>(*bytes);
  return verifyRoom(*this, *this, logits);
}

LogicalResult AllocOp::verify() {
  if (static_cast<int64_t>(getOffset().value_or(0)) < 0)
    return emitOpError() << "offset must not be negative, got "
                         << static_cast<int64_t>(*getOffset());
  return verifyRoom(*this, cast<ProgramOp>((*this)->getParentOp()), getType());
}

//===----------------------------------------------------------------------===//
// LayersOp
//===----------------------------------------------------------------------===//

void LayersOp::build(OpBuilder &builder, OperationState &state, int64_t count, Value rows,
                     DenseI64ArrayAttr select, DenseI64ArrayAttr skip, unsigned numBodies) {
  if (rows)
    state.addOperands(rows);
  Properties &properties = state.getOrAddProperties<Properties>();
  properties.count = builder.getI64IntegerAttr(count);
  properties.select = select;
  properties.skip = skip;
  OpBuilder::InsertionGuard guard(builder);
  for (unsigned i = 0; i < numBodies; ++i) {
    Region *region = state.addRegion();
    builder.createBlock(region, region->end(), builder.getIndexType(), state.location);
  }
}

/// What is carried is in buffers.
OperandRange LayersOp::getInits() { return (*this)->getOperands().take_front(0); }

ParseResult LayersOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::Argument layer;
  layer.type = parser.getBuilder().getIndexType();
  int64_t first, count;
  if (parser.parseArgument(layer) || parser.parseEqual() || parser.parseInteger(first) ||
      parser.parseKeyword("to") || parser.parseInteger(count))
    return failure();
  if (first != 0)
    return parser.emitError(parser.getNameLoc()) << "the stack starts at layer 0, got " << first;
  Builder &builder = parser.getBuilder();
  result.addAttribute(getCountAttrName(result.name), builder.getI64IntegerAttr(count));
  std::optional<OpAsmParser::UnresolvedOperand> rows;
  if (ir::parseLayerChoice(parser, result, rows) ||
      (rows &&
       parser.resolveOperand(*rows, ir::RowsType::get(parser.getContext()), result.operands)))
    return failure();
  do {
    if (parser.parseRegion(*result.addRegion(), layer))
      return failure();
  } while (succeeded(parser.parseOptionalComma()));
  return parser.parseOptionalAttrDict(result.attributes);
}

void LayersOp::print(OpAsmPrinter &printer) {
  Block &head = getBodies().front().front();
  printer << ' ' << head.getArgument(0) << " = 0 to " << getCount() << ' ';
  ir::printLayerChoice(printer, *this);
  llvm::interleaveComma(llvm::enumerate(getBodies()), printer, [&](auto indexed) {
    Region &body = indexed.value();
    if (indexed.index() != 0)
      printer.shadowRegionArgs(body, head.getArguments());
    printer.printRegion(body, /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
  });
  printer.printOptionalAttrDict((*this)->getAttrs(),
                                {getCountAttrName(), getSelectAttrName(), getSkipAttrName()});
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

LogicalResult PhaseOp::verify() {
  bool stores = llvm::any_of(getBody().front(), [](Operation &op) { return isa<StoreOp>(op); });
  if (!stores)
    return emitOpError() << "stores nothing";
  // Generated code knows one layer only: that of the stack it stands in.
  auto stack = dyn_cast<LayersOp>((*this)->getParentOp());
  for (Operation &op : getBody().front())
    for (Value operand : op.getOperands())
      if (operand.getType().isIndex() && (!stack || operand != (*this)->getBlock()->getArgument(0)))
        return op.emitOpError() << "the layer must be the number that the step.layers around the "
                                   "phase counts";
  return success();
}

/// Rows of the value must be those of the buffer.
static LogicalResult verifyTensor(Operation *op, Type value, BufferType buffer) {
  if (value == buffer.getTensorType())
    return success();
  return op->emitOpError() << "a buffer of type " << buffer << " holds values of type "
                           << buffer.getTensorType() << ", got " << value;
}

LogicalResult LoadOp::verify() {
  return verifyTensor(*this, getResult().getType(), getBuffer().getType());
}

LogicalResult StoreOp::verify() {
  if (auto buffer = dyn_cast<BufferType>(getDestination().getType()))
    return verifyTensor(*this, getValue().getType(), buffer);
  if (getValue().getType() != getDestination().getType())
    return emitOpError() << "a KV cache of type " << getDestination().getType()
                         << " cannot take a state of type " << getValue().getType();
  return success();
}
