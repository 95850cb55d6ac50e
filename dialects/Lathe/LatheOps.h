//===- LatheOps.h - Ops of the model level ----------------------*- C++ -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHEOPS_H
#define LATHE_DIALECTS_LATHE_LATHEOPS_H

#include "dialects/Lathe/LatheDialect.h"
#include "dialects/Lathe/LatheInterfaces.h"
#include "dialects/Lathe/LatheTypes.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Lathe/LatheEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Lathe/LatheAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Lathe/LatheOps.h.inc"

namespace lathe::ir {

/// The widths that a layer can have; without a choice all are 0.
struct LayerWidth {
  int64_t neurons = 0, step = 0, unasked = 0;
  bool operator==(const LayerWidth &) const = default;
};

LayerWidth getLayerWidth(WidthOp op);

/// Those of layers 0 to `layers - 1`, as the `lathe.width` ops below `root` tell.
llvm::SmallVector<LayerWidth> findLayerWidths(mlir::Operation *root, int64_t layers);

} // namespace lathe::ir

#endif // LATHE_DIALECTS_LATHE_LATHEOPS_H
