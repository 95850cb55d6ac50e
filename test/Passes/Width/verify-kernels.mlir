// Programs whose widths are chosen keep their word down to the kernels, at widths drawn for each step.
// REQUIRES: avx2
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=8},lathe-choose-widths)' -o %t.8.mlir
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=10},lathe-choose-widths)' -o %t.10.mlir
// RUN: FileCheck %s < %t.8.mlir
// RUN: FileCheck %s < %t.10.mlir
// CHECK: lathe.width
// CHECK: to %
// CHECK: of %
// RUN: lathe-opt %t.8.mlir --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-stage-fused,lathe-stage-precision{precision=f32},lathe-stage-scheduled,lathe-stage-planned,lathe-stage-kernels)'
// RUN: %lathe compile %t.10.mlir --verify-each-pass --precision int8 -o %t.so
// RUN: %lathe compile %t.10.mlir --verify-each-pass --precision bf16 -o %t.so
