//===- LatheTypes.cpp - Types of the model level --------------------------===//

#include "dialects/Lathe/LatheTypes.h"
#include "dialects/Lathe/LatheDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe::ir;

#define GET_TYPEDEF_CLASSES
#include "dialects/Lathe/LatheTypes.cpp.inc"

void LatheDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Lathe/LatheTypes.cpp.inc"
      >();
}

/// Block formats are an open set, so their names are looked up where the
/// generated parser knows no mnemonic.
Type LatheDialect::parseType(DialectAsmParser &parser) const {
  SMLoc loc = parser.getCurrentLocation();
  StringRef mnemonic;
  Type type;
  OptionalParseResult result = generatedTypeParser(parser, &mnemonic, type);
  if (result.has_value())
    return succeeded(*result) ? type : Type();
  const BlockFormat *format = findBlockFormat(std::string_view(mnemonic));
  if (format && format->isBlock())
    return BlockType::get(getContext(), mnemonic);
  parser.emitError(loc) << "unknown type '" << mnemonic
                        << "': neither a type of the lathe dialect nor a registered block format";
  return {};
}

void LatheDialect::printType(Type type, DialectAsmPrinter &printer) const {
  if (auto block = dyn_cast<BlockType>(type)) {
    printer << block.getFormat();
    return;
  }
  (void)generatedTypePrinter(type, printer);
}

//===----------------------------------------------------------------------===//
// KVType
//===----------------------------------------------------------------------===//

/// What users call it; empty for what a cache cannot hold.
static StringRef elementNameOf(Type type) {
  return llvm::TypeSwitch<Type, StringRef>(type)
      .Case([](Float32Type) { return "f32"; })
      .Case([](Float16Type) { return "f16"; })
      .Case([](BFloat16Type) { return "bf16"; })
      .Default([](Type other) { return other.isSignlessInteger(8) ? "int8" : ""; });
}

LogicalResult KVType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t layers,
                             int64_t heads, int64_t headDim, Type elementType) {
  if (!isBoundedShape({layers, heads, headDim}))
    return emitError() << "layers, heads and head dimension of a KV cache must be positive and "
                          "their product at most 2^40, got "
                       << layers << " x " << heads << " x " << headDim;
  if (elementNameOf(elementType).empty())
    return emitError() << "the element type of a KV cache must be f32, f16, bf16 or i8, got "
                       << elementType;
  return success();
}

StringRef KVType::getElementName() const { return elementNameOf(getElementType()); }

//===----------------------------------------------------------------------===//
// BlockType
//===----------------------------------------------------------------------===//

LogicalResult BlockType::verify(function_ref<InFlightDiagnostic()> emitError, StringRef format) {
  const lathe::BlockFormat *found = lathe::findBlockFormat(std::string_view(format));
  if (!found || !found->isBlock())
    return emitError() << "'" << format << "' is not a registered block format";
  return success();
}

const lathe::BlockFormat *BlockType::getBlockFormat() const {
  return lathe::findBlockFormat(std::string_view(getFormat()));
}

bool lathe::ir::isBoundedShape(ArrayRef<int64_t> shape) {
  constexpr int64_t limit = int64_t(1) << 40;
  int64_t elements = 1;
  return llvm::all_of(shape, [&](int64_t size) {
    return size > 0 && !llvm::MulOverflow(elements, size, elements) && elements <= limit;
  });
}

RankedTensorType lathe::ir::getConfidenceType(MLIRContext *context) {
  return RankedTensorType::get({ShapedType::kDynamic, 1}, Float32Type::get(context));
}

bool lathe::ir::isRowTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() > 1 && tensor.isDynamicDim(0) &&
         isBoundedShape(tensor.getShape().drop_front());
}

RankedTensorType lathe::ir::getMatrixType(RankedTensorType weight) {
  int64_t columns = weight.getShape().back();
  return RankedTensorType::get({weight.getNumElements() / columns, columns},
                               weight.getElementType());
}

const lathe::BlockFormat *lathe::ir::getBlockFormat(Type elementType) {
  if (auto block = dyn_cast<BlockType>(elementType))
    return block.getBlockFormat();
  if (elementType.isF32())
    return findBlockFormat("f32");
  if (elementType.isF16())
    return findBlockFormat("f16");
  return elementType.isBF16() ? findBlockFormat("bf16") : nullptr;
}

Type lathe::ir::getElementType(MLIRContext *context, const BlockFormat &format) {
  Builder builder(context);
  if (format.isBlock())
    return BlockType::get(context, StringRef(format.Name));
  if (format.Name == "f16")
    return builder.getF16Type();
  return format.Name == "bf16" ? Type(builder.getBF16Type()) : Type(builder.getF32Type());
}
