//===- Passes.td - Code for CPUs ----------------------------*- tablegen -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_PASSES_TD
#define LATHE_COMPILER_TARGET_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitCpuPass : Pass<"lathe-emit-cpu", "::mlir::ModuleOp"> {
  let summary = "turns step programs into kernels for a CPU";
  let description = [{
    Makes one function per phase, which runs the worker's share of its tiles,
    and one entry per program, which runs the phases in order and meets the
    other workers at the barriers. The IR is `scf`, `arith`, `vector` and
    loads and stores through bare pointers; LLVM intrinsics stand where no op
    exists. Weights and buffers are reached through `lathe_step_args` of
    runtime/include/lathe/abi.h. The manifest, which tells the runtime what to
    allocate and pack, becomes a constant. Declared effect: reassociates.

    Counts `kernels`.
  }];
  let options = [
    Option<"targetName", "target", "std::string", "\"host\"", "CPU target: host, x86-64-v3 or x86-64-v4; sizes may follow, as in host:row-tile=3">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

#endif // LATHE_COMPILER_TARGET_CPU_PASSES_TD
