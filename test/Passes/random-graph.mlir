// Random transformers: the same seed gives the same module, which is read back as it was printed.
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=7})' > %t.first
// RUN: FileCheck %s < %t.first
// RUN: lathe-opt %t.first > %t.again
// RUN: diff %t.first %t.again
// RUN: not lathe-opt %t.first --pass-pipeline='builtin.module(lathe-random-graph{seed=7})' 2>&1 | FileCheck %s --check-prefix=FULL

// CHECK:     lathe.weights @token_embd : tensor<32x32x!lathe.q5_0> from "token_embd.weight"
// CHECK:     lathe.weights @blk.attn_v.f16 : [1] x tensor<32x32xf16> from "blk.{}.attn_v.weight"
// CHECK:     lathe.weights @blk.attn_v.q4_0 : [2, 3] x tensor<32x32x!lathe.q4_0> from "blk.{}.attn_v.weight"
// CHECK:     func.func @forward
// CHECK:       lathe.layers %{{.*}} = 0 to 4 {{.*}} select [0, 1, 2, 2]
// CHECK:         lathe.attention {{.*}}window = 4

// FULL: error: the module must be empty
