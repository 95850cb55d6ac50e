//===- UpstreamOps.h - Which ops of other dialects have code ----*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_UPSTREAMOPS_H
#define LATHE_COMPILER_TARGET_CPU_UPSTREAMOPS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <string>

namespace lathe::compiler {

/// Whether loops can be made of `op`, which is of a dialect that is not ours.
bool hasLoops(mlir::Operation *op);

/// Tells of everything in the functions and phases of `module` that no code can be
/// made of: ops that are not ours and not known here, values whose shape is not
/// known but for the number of rows, sizes that are another number, and weights that
/// are wanted in two layouts.  Each place and reason once.
void findUnsupported(
    mlir::ModuleOp module,
    llvm::function_ref<void(mlir::Location loc, const std::string &what, const std::string &hint)>
        tell);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_UPSTREAMOPS_H
