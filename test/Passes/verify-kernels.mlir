// Kernels are compiled and run, and held to the step programs that they were made of.
// REQUIRES: avx2
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=6})' -o %t.mlir
// RUN: %lathe compile %t.mlir --verify-each-pass --precision int8 -o %t.so
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=5},lathe-stage-fused,lathe-stage-precision{precision=f32},lathe-stage-scheduled,lathe-stage-planned,lathe-stage-kernels)'
