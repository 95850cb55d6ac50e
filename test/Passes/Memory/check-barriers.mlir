// What lathe-place-barriers makes is sound: its own test, and whole programs from random transformers.
// RUN: lathe-opt %S/place-barriers.mlir --allow-unregistered-dialect -o %t --pass-pipeline='builtin.module(step.program(lathe-place-barriers,lathe-check-barriers))'
// RUN: lathe-opt %s -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=11},lathe-stage-fused,lathe-stage-precision,lathe-stage-scheduled,lathe-stage-planned,step.program(lathe-check-memory-plan,lathe-check-barriers))'
// RUN: lathe-opt %s -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=12},lathe-stage-fused,lathe-stage-precision,lathe-stage-scheduled,lathe-stage-planned,step.program(lathe-check-memory-plan,lathe-check-barriers))'
// RUN: lathe-opt %s -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=13},lathe-stage-fused,lathe-stage-precision{precision=f32},lathe-stage-scheduled,lathe-stage-planned,step.program(lathe-check-memory-plan,lathe-check-barriers))'
