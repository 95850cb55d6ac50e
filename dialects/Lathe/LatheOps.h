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

#endif // LATHE_DIALECTS_LATHE_LATHEOPS_H
