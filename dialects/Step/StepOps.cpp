//===- StepOps.cpp - Syntax and verifiers of the schedule level ------------===//

#include "dialects/Step/StepOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace lathe::step;

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
  return failure(parser.parseEqual() || parser.parseAttribute(bytes, parser.getBuilder().getI64Type(),
                                                              name.getValue(), attributes));
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
  printer << ") ";
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {getSymNameAttrName(), getMaxRowsAttrName(), getArenaAttrName(),
                            getArenaBoundAttrName()});
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult ProgramOp::verify() {
  if (getMaxRows() < 1)
    return emitOpError() << "max_rows must be positive, got " << getMaxRows();
  if (getBody().getNumArguments() != 3 || !isa<ir::RowsType>(getRows().getType()) ||
      !isa<ir::KVType>(getCache().getType()) || !isa<BufferType>(getLogits().getType()))
    return emitOpError() << "arguments must be the rows, the KV cache and the buffer of the logits";
  return success();
}

//===----------------------------------------------------------------------===//
// LayersOp
//===----------------------------------------------------------------------===//

void LayersOp::build(OpBuilder &builder, OperationState &state, int64_t count,
                     DenseI64ArrayAttr select, unsigned numBodies) {
  state.addAttribute(getCountAttrName(state.name), builder.getI64IntegerAttr(count));
  if (select)
    state.addAttribute(getSelectAttrName(state.name), select);
  OpBuilder::InsertionGuard guard(builder);
  for (unsigned i = 0; i < numBodies; ++i) {
    Region *region = state.addRegion();
    builder.createBlock(region, region->end(), builder.getIndexType(), state.location);
  }
}

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
  if (succeeded(parser.parseOptionalKeyword("select"))) {
    SmallVector<int64_t> select;
    auto element = [&] { return parser.parseInteger(select.emplace_back()); };
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, element))
      return failure();
    result.addAttribute(getSelectAttrName(result.name), builder.getDenseI64ArrayAttr(select));
  }
  do {
    if (parser.parseRegion(*result.addRegion(), layer))
      return failure();
  } while (succeeded(parser.parseOptionalComma()));
  return parser.parseOptionalAttrDict(result.attributes);
}

void LayersOp::print(OpAsmPrinter &printer) {
  Block &head = getBodies().front().front();
  printer << ' ' << head.getArgument(0) << " = 0 to " << getCount() << ' ';
  if (std::optional<ArrayRef<int64_t>> select = getSelect())
    printer << "select [" << *select << "] ";
  llvm::interleaveComma(llvm::enumerate(getBodies()), printer, [&](auto indexed) {
    Region &body = indexed.value();
    if (indexed.index() != 0)
      printer.shadowRegionArgs(body, head.getArguments());
    printer.printRegion(body, /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
  });
  printer.printOptionalAttrDict((*this)->getAttrs(), {getCountAttrName(), getSelectAttrName()});
}

LogicalResult LayersOp::verify() {
  if (getCount() < 1 || getBodies().empty())
    return emitOpError() << "needs a positive count and a body";
  size_t bodies = getBodies().size();
  std::optional<ArrayRef<int64_t>> select = getSelect();
  if (!select)
    return bodies == 1 ? success() : emitOpError() << "has " << bodies << " bodies and no select";
  if (select->size() != static_cast<size_t>(getCount()))
    return emitOpError() << "select must name a body for each of the " << getCount()
                         << " layers, got " << select->size();
  for (int64_t body : *select)
    if (body < 0 || body >= static_cast<int64_t>(bodies))
      return emitOpError() << "select names body " << body << ", but there are " << bodies;
  return success();
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

LogicalResult PhaseOp::verify() {
  bool stores = llvm::any_of(getBody().front(), [](Operation &op) { return isa<StoreOp>(op); });
  if (!stores)
    return emitOpError() << "stores nothing";
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
