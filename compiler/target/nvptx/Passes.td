//===- Passes.td - Code for NVIDIA GPUs ---------------------*- tablegen -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_PASSES_TD
#define LATHE_COMPILER_TARGET_NVPTX_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitNvptxPass : Pass<"lathe-emit-nvptx", "::mlir::ModuleOp"> {
  let summary = "turns step programs into kernels for an NVIDIA GPU";
  let description = [{
    Makes one function per phase, which runs the block's share of its tiles, and one
    kernel per program, which runs the phases in order and meets the other blocks at
    the barriers (docs/gpu.md). The IR is that of `lathe-emit-cpu`, with NVVM
    intrinsics for what the threads of a block do together. Declared effect:
    reassociates.

    Counts `kernels`.
  }];
  let options = [
    Option<"targetName", "target", "std::string", "\"sm_80\"", "GPU target: sm_80, sm_89 or sm_90a">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

#endif // LATHE_COMPILER_TARGET_NVPTX_PASSES_TD
