//===- RowEmitter.h - Code for ops that work on whole rows ------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_ROWEMITTER_H
#define LATHE_COMPILER_TARGET_CPU_ROWEMITTER_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

/// Emits one row of `op`: reads its operands' rows and writes its result's.
/// `rows` is how many rows private memory is kept for.
using RowEmitter = void (*)(PhaseContext &context, mlir::Operation *op, mlir::Value row,
                            int64_t rows);

struct RowEmitterRegistration {
  RowEmitterRegistration(llvm::StringRef opName, RowEmitter emitter);
};

/// The emitter for ops of that name, or null.
RowEmitter findRowEmitter(llvm::StringRef opName);

/// Copies row `index` (i64) of an embedding table, times `scale`, to `output` as f32.
void emitTableRow(PhaseContext &context, mlir::Value table, mlir::Value index, mlir::Value output,
                  float scale);

/// Emits a phase over rows: every op for each row of the worker's range.
llvm::LogicalResult emitRowPhase(PhaseContext &context);

/// Emits `ops` for all rows, on every worker, into private memory.
llvm::LogicalResult emitPrologue(PhaseContext &context, llvm::ArrayRef<mlir::Operation *> ops);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_ROWEMITTER_H
