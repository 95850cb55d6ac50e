//===- StepOps.h - Ops of the schedule level --------------------*- C++ -*-===//

#ifndef LATHE_DIALECTS_STEP_STEPOPS_H
#define LATHE_DIALECTS_STEP_STEPOPS_H

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Step/StepDialect.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_TYPEDEF_CLASSES
#include "dialects/Step/StepTypes.h.inc"

#include "dialects/Step/StepEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Step/StepAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Step/StepOps.h.inc"

namespace lathe::step {

/// Rows that a block of `rows` rows of `!lathe.q8_act` has room for: a few more where
/// all blocks of a row would meet in one cache set.
int64_t getBlockRows(int64_t rows);

/// Bytes of `rows` rows of `elements` elements each, in the layout of
/// BufferType.
int64_t getRowBytes(int64_t rows, int64_t elements, mlir::Type elementType);

/// The row-wise ops in front of a phase's contractions, in order.  A row-wise op that needs what
/// a contraction gives is a part of the epilogue.
llvm::SmallVector<mlir::Operation *> getPrologue(PhaseOp phase);

} // namespace lathe::step

#endif // LATHE_DIALECTS_STEP_STEPOPS_H
