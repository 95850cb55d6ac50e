//===- LayerPlaces.h - What differs from layer to layer ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_LAYERPLACES_H
#define LATHE_COMPILER_TARGET_CPU_LAYERPLACES_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

/// The place in the weight table of the pointer that `weight` names.
KernelArgument weightIndex(ir::WeightOp weight, const WeightTable &weights);

/// The caller says for each layer of the model whether it runs, and for no more: emits an
/// error at a stack that asks the step's rows and has another number of layers.
mlir::LogicalResult checkLayerChoice(mlir::ModuleOp module);

/// select[layer], as i64.
mlir::Value emitBodyIndex(KernelBuilder &k, llvm::ArrayRef<int64_t> select, mlir::Value layer);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_LAYERPLACES_H
