//===- GpuWork.h - What phases do, and the least time it takes --*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUWORK_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUWORK_H

#include "compiler/target/nvptx/Occupancy.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace lathe::compiler {

/// Notes at the module, as `lathe.work`, what each phase of its step programs does in a step of as
/// many rows as its entry has, ahead of all positions: the programs are gone when their kernels
/// are there.
void noteWork(mlir::ModuleOp module);

/// The phases that were noted, each with its roofline on a GPU: what no kernel can beat.
void writeRoofline(llvm::json::OStream &json, mlir::ModuleOp module, const GpuPeaks &peaks);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUWORK_H
