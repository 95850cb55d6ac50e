//===- StepOps.cpp - Syntax and verifiers of the schedule level ------------===//

#include "dialects/Step/StepOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace lathe::step;

/// The bare word: `rows`, `columns`, `heads` or `whole`.
static ParseResult parseAxis(OpAsmParser &parser, AxisAttr &axis) {
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  std::optional<Axis> found = symbolizeAxis(word);
  if (!found)
    return parser.emitError(loc) << "expected 'rows', 'columns', 'heads' or 'whole', got '" << word
                                 << "'";
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
  SmallVector<StringRef> names{"rows", "kv", "logits"};
  if (isFunction())
    return;
  if (isEncoder())
    names.erase(names.begin() + 1);
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
  SmallVector<OpAsmParser::Argument> arguments, results;
  if (parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren, /*allowType=*/true))
    return failure();
  if (succeeded(parser.parseOptionalArrow())) {
    result.addAttribute(getNumInputsAttrName(result.name),
                        parser.getBuilder().getI64IntegerAttr(arguments.size()));
    if (parser.parseArgumentList(results, OpAsmParser::Delimiter::Paren, /*allowType=*/true))
      return failure();
    llvm::append_range(arguments, results);
  }
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes))
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
  auto printArguments = [&](ArrayRef<BlockArgument> arguments) {
    printer << '(';
    llvm::interleaveComma(arguments, printer,
                          [&](BlockArgument argument) { printer.printRegionArgument(argument); });
    printer << ')';
  };
  ArrayRef<BlockArgument> arguments = getBody().getArguments();
  int64_t inputs = isFunction() ? static_cast<int64_t>(*getNumInputs()) : arguments.size();
  printer << ' ';
  printArguments(arguments.take_front(inputs));
  if (isFunction()) {
    printer << " -> ";
    printArguments(arguments.drop_front(inputs));
  }
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {getSymNameAttrName(), getMaxRowsAttrName(), getArenaAttrName(),
                            getArenaBoundAttrName(), getNumInputsAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

/// A buffer has room for all rows that a step may have.
static LogicalResult verifyRoom(Operation *op, ProgramOp program, BufferType buffer) {
  int64_t rows = program.getMaxRows();
  if (buffer.getWhole() || buffer.getMaxRows() == rows)
    return success();
  return op->emitOpError() << "a buffer must have room for the " << rows
                           << " rows of the program, got " << buffer;
}

/// Inputs and results are buffers of f32, each with a name.
static LogicalResult verifyFunction(ProgramOp program) {
  auto inputs = static_cast<int64_t>(*program.getNumInputs());
  int64_t arguments = program.getBody().getNumArguments();
  if (inputs < 0 || inputs >= arguments)
    return program.emitOpError() << "a function needs a result behind its inputs, got " << inputs
                                 << " inputs among " << arguments << " arguments";
  if (!program.getNames() || static_cast<int64_t>(program.getNames()->size()) != arguments)
    return program.emitOpError() << "names must hold one name for each of " << arguments
                                 << " arguments";
  for (BlockArgument argument : program.getBody().getArguments()) {
    auto buffer = dyn_cast<BufferType>(argument.getType());
    if (!buffer || !buffer.getElementType().isF32())
      return program.emitOpError()
             << "arguments of a function must be buffers of f32, got " << argument.getType();
    if (failed(verifyRoom(program, program, buffer)))
      return failure();
  }
  return success();
}

static LogicalResult verifyModel(ProgramOp program) {
  SmallVector<Type> types(program.getBody().getArgumentTypes());
  bool decodes = types.size() == 3 && isa<lathe::ir::KVType>(types[1]);
  if ((!decodes && !program.isEncoder()) || !isa<lathe::ir::RowsType>(types.front()) ||
      !isa<BufferType>(types.back()))
    return program.emitOpError()
           << "arguments must be the rows, the KV cache and the buffer of the logits, got ("
           << types << "); an encoder has no cache";
  auto logits = cast<BufferType>(program.getLogits().getType());
  if (logits.getShape().size() != 2 || !logits.getElementType().isF32() || logits.getWhole())
    return program.emitOpError() << "logits must be rows of f32, got " << logits;
  return verifyRoom(program, program, logits);
}

LogicalResult ProgramOp::verify() {
  if (static_cast<int64_t>(getMaxRows()) < 1)
    return emitOpError() << "max_rows must be positive, got " << static_cast<int64_t>(getMaxRows());
  for (std::optional<uint64_t> bytes : {getArena(), getArenaBound()})
    if (static_cast<int64_t>(bytes.value_or(0)) < 0)
      return emitOpError() << "sizes of the arena must not be negative, got "
                           << static_cast<int64_t>(*bytes);
  return isFunction() ? verifyFunction(*this) : verifyModel(*this);
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
                     const ir::LayerChoice &choice, unsigned numBodies) {
  if (rows)
    state.addOperands(rows);
  Properties &properties = state.getOrAddProperties<Properties>();
  properties.count = builder.getI64IntegerAttr(count);
  choice.set(properties);
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
                                {getCountAttrName(), getSelectAttrName(), getRestAttrName(),
                                 getSkipAttrName(), getBehindAttrName()});
}

LogicalResult ExitIfOp::verify() {
  if (getConfidence().getType().getTensorType() != ir::getConfidenceType(getContext()))
    return emitOpError() << "the confidence must be one f32 for each row, got "
                         << getConfidence().getType();
  if (llvm::any_of(*(*this)->getBlock(),
                   [&](Operation &op) { return isa<ExitIfOp>(op) && &op != *this; }))
    return emitOpError() << "a body has one exit at most";
  int64_t rows = (*this)->getParentOfType<ProgramOp>().getMaxRows();
  if (rows != 1)
    return emitOpError() << "only programs of one row can leave a stack, but this one is for "
                         << rows;
  return success();
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

LogicalResult PhaseOp::verify() {
  bool stores = llvm::any_of(getBody().front(), [](Operation &op) { return isa<StoreOp>(op); });
  if (!stores)
    return emitOpError() << "stores nothing";
  // Generated code knows one layer only: that of the stack it stands in.
  Operation *around = (*this)->getParentOp();
  Block *body = (*this)->getBlock();
  if (isa<ExitIfOp>(around)) {
    body = around->getBlock();
    around = around->getParentOp();
  }
  auto stack = dyn_cast<LayersOp>(around);
  for (Operation &op : getBody().front())
    if (isa_and_nonnull<ir::LatheDialect>(op.getDialect()))
      for (Value operand : op.getOperands())
        if (operand.getType().isIndex() && (!stack || operand != body->getArgument(0)))
          return op.emitOpError() << "the layer must be the number that the step.layers around the "
                                     "phase counts";
  return success();
}

SmallVector<Operation *> lathe::step::getPrologue(PhaseOp phase) {
  auto roleOf = [](Operation *op) {
    auto fusable = dyn_cast_if_present<ir::FusionOpInterface>(op);
    return fusable ? fusable.getFusionRole() : ir::FusionRole::None;
  };
  SmallVector<Operation *> prologue;
  for (Operation &op : phase.getBody().front()) {
    bool behind = llvm::any_of(op.getOperands(), [&](Value operand) {
      ir::FusionRole role = roleOf(operand.getDefiningOp());
      return role == ir::FusionRole::Contraction || role == ir::FusionRole::Elementwise;
    });
    if (roleOf(&op) == ir::FusionRole::RowWise && !behind)
      prologue.push_back(&op);
  }
  return prologue;
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
