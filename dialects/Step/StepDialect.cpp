//===- StepDialect.cpp - The schedule-level dialect and its types ----------===//

#include "dialects/Step/StepDialect.h"
#include "dialects/Step/StepOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe::step;

#include "dialects/Step/StepDialect.cpp.inc"
#include "dialects/Step/StepEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Step/StepAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Step/StepTypes.cpp.inc"

void StepDialect::initialize() {
  registerTypes();
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "dialects/Step/StepOps.cpp.inc"
      >();
}

void StepDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Step/StepTypes.cpp.inc"
      >();
}

void StepDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Step/StepAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// BufferType
//===----------------------------------------------------------------------===//

Type BufferType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type elementType;
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(elementType))
    return {};
  bool whole = succeeded(parser.parseOptionalComma());
  if ((whole && parser.parseKeyword("whole")) || parser.parseGreater())
    return {};
  return parser.getChecked<BufferType>(parser.getContext(), shape, elementType, whole);
}

void BufferType::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printDimensionList(getShape());
  printer << 'x' << getElementType() << (getWhole() ? ", whole>" : ">");
}

LogicalResult BufferType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> shape, Type elementType, bool whole) {
  if (shape.empty())
    return emitError() << "a buffer has at least one dimension, got none";
  if (!ir::isBoundedShape(shape))
    return emitError() << "dimensions of a buffer must be positive and hold at most 2^40 elements";
  bool quantized = isa<ir::QuantizedActivationType>(elementType);
  bool wide = isa<ir::WideActivationType>(elementType);
  bool bytes = isa<ir::ByteActivationType>(elementType);
  if (!quantized && !wide && !bytes && !elementType.isF32() && !elementType.isBF16() &&
      !elementType.isSignlessInteger(32))
    return emitError() << "the element type of a buffer must be f32, bf16, i32, !lathe.q8_act, "
                          "!lathe.q16_act or !lathe.u8_act, got "
                       << elementType;
  if (wide && (whole || shape.size() < 2 || shape.back() % 2 != 0))
    return emitError() << "!lathe.q16_act is for rows of an even number of elements";
  if (bytes && (whole || shape.size() < 2 || shape.back() % 4 != 0))
    return emitError() << "!lathe.u8_act is for rows of a multiple of 4 elements";
  if (quantized && (whole || shape.size() < 2))
    return emitError() << "!lathe.q8_act is for rows of blocks";
  if (quantized && shape.back() % 32 != 0)
    return emitError() << "a row of !lathe.q8_act must hold a multiple of 32 elements, got "
                       << shape.back();
  return success();
}

int64_t BufferType::getRowElements() const {
  int64_t elements = 1;
  for (int64_t size : getShape().drop_front())
    elements *= size;
  return elements;
}

int64_t BufferType::getBytes() const {
  return getRowBytes(getMaxRows(), getRowElements(), getElementType());
}

RankedTensorType BufferType::getTensorType() const {
  SmallVector<int64_t> shape(getShape());
  if (!getWhole())
    shape.front() = ShapedType::kDynamic;
  return RankedTensorType::get(shape, getElementType());
}

int64_t lathe::step::getBlockRows(int64_t rows) {
  constexpr int64_t Power = 64, More = 4;
  return rows % Power == 0 ? rows + More : rows;
}

int64_t lathe::step::getRowBytes(int64_t rows, int64_t elements, Type elementType) {
  if (isa<ir::QuantizedActivationType>(elementType))
    return getBlockRows(rows) * (elements + elements / 32 * 16);
  if (isa<ir::WideActivationType>(elementType))
    return rows * (2 * elements + 4);
  if (isa<ir::ByteActivationType>(elementType))
    return rows * (elements + 4 * ir::ByteActivationType::countScales(elements) + 4);
  return rows * elements * elementType.getIntOrFloatBitWidth() / 8;
}
