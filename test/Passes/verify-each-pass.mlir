// Our passes keep their word on random transformers: every pass is run with what the program
// computes before and after, as functions, as step programs and as kernels.
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=1},lathe-stage-fused,lathe-stage-precision{precision=f32},lathe-stage-scheduled,lathe-stage-planned)'
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=2},lathe-stage-fused,lathe-stage-precision{precision=int8},lathe-stage-scheduled,lathe-stage-planned)'
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=3},lathe-stage-fused,lathe-stage-precision{precision=bf16},lathe-stage-scheduled,lathe-stage-planned)'
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=4},lathe-stage-fused,lathe-stage-precision{precision=auto},lathe-stage-scheduled{prefill-rows=4},lathe-stage-planned)'
