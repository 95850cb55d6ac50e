// Random transformers: the same seed gives the same module, which is read back as it was printed.
// RUN: lathe-opt %s --pass-pipeline='builtin.module(lathe-random-graph{seed=7})' > %t.first
// RUN: FileCheck %s < %t.first
// RUN: lathe-opt %t.first > %t.again
// RUN: diff %t.first %t.again
// RUN: not lathe-opt %t.first --pass-pipeline='builtin.module(lathe-random-graph{seed=7})' 2>&1 | FileCheck %s --check-prefix=FULL

// CHECK:     lathe.weights @token_embd : tensor<40x64x!lathe.q4_1> from "token_embd.weight"
// CHECK:     lathe.weights @blk.ffn_up.q4_0 : [0, 2, 3] x tensor<64x64x!lathe.q4_0> from "blk.{}.ffn_up.weight"
// CHECK:     lathe.weights @blk.ffn_up.f16 : [1] x tensor<64x64xf16> from "blk.{}.ffn_up.weight"
// CHECK:     func.func @forward
// CHECK:       lathe.layers %{{.*}} = 0 to 4 {{.*}} select [0, 1, 0, 0]
// CHECK:         lathe.attention {{.*}}window = 4

// FULL: error: the module must be empty
