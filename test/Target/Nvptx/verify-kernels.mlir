// Kernels for GPUs are run by the emulator, which checks every access to memory, on one block and on
// three, and held to the step programs that they were made of.
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=6})' -o %t.mlir
// RUN: %lathe compile %t.mlir --target sm_80 --verify-each-pass --emit llvm -o %t.ll
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=5})' -o %t.mlir
// RUN: %lathe compile %t.mlir --target sm_90a --precision f32 --kv-type f32 --verify-each-pass --emit llvm -o %t.ll
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=7})' -o %t.mlir
// RUN: %lathe compile %t.mlir --target sm_89 --precision bf16 --kv-type bf16 --verify-each-pass --emit llvm -o %t.ll
