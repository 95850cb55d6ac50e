// Our passes keep their word on random transformers: every pass is run with its reference program
// before and after.
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=1},lathe-lower-precision{policy=f32},lathe-fuse,canonicalize,cse)'
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=2},lathe-lower-precision{policy=int8},lathe-fuse,canonicalize,cse)'
// RUN: lathe-opt %s --verify-each-pass -o %t --pass-pipeline='builtin.module(lathe-random-graph{seed=3},lathe-lower-precision{policy=bf16},lathe-fuse,canonicalize,cse)'
