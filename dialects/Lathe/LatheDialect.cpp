//===- LatheDialect.cpp - The model-level dialect -------------------------===//

#include "dialects/Lathe/LatheDialect.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe::ir;

#include "dialects/Lathe/LatheDialect.cpp.inc"
#include "dialects/Lathe/LatheEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Lathe/LatheAttrs.cpp.inc"

void LatheDialect::initialize() {
  registerTypes();
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "dialects/Lathe/LatheOps.cpp.inc"
      >();
}

void LatheDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Lathe/LatheAttrs.cpp.inc"
      >();
}
