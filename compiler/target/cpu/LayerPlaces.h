//===- LayerPlaces.h - What differs from layer to layer ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_LAYERPLACES_H
#define LATHE_COMPILER_TARGET_CPU_LAYERPLACES_H

#include "compiler/target/cpu/PhaseContext.h"

namespace lathe::compiler {

/// The place in the weight table of the pointer that `weight` names.
KernelArgument weightIndex(ir::WeightOp weight, const WeightTable &weights);

/// Which of the bodies of `layers` the layer runs, as i64.
mlir::Value emitBodyIndex(KernelBuilder &k, step::LayersOp layers, mlir::Value layer);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_LAYERPLACES_H
