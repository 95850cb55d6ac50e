//===- RandomInputs.h - Something to run a reference program on -*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_RANDOMINPUTS_H
#define LATHE_COMPILER_REFERENCE_RANDOMINPUTS_H

#include "compiler/reference/Random.h"
#include "compiler/reference/ReferenceRunner.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lathe::compiler {

/// Inputs for the reference form of `func`, a function of a lathe module: rows
/// of two sequences that already have a past, a small KV cache, and for every
/// `lathe.weights` values that depend on the names of its tensors alone, so
/// that they stay when a pass declares the weights otherwise. Emits an error
/// when an argument has no reference form.
llvm::FailureOr<std::vector<ReferenceArray>> makeRandomInputs(mlir::func::FuncOp func,
                                                              uint64_t seed);

/// One of the widths of each layer; 0 where there is no choice.
std::vector<int32_t> drawWidths(llvm::ArrayRef<ir::LayerWidth> widths, Random &random);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_RANDOMINPUTS_H
