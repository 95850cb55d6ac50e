// A stack whose layers differ in block formats and in attention: every layer runs the body that
// fits it, and each distinct layer is written once.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --lathe-stage-fused --lathe-stage-precision --lathe-stage-scheduled --lathe-stage-planned | FileCheck %s --check-prefix=PLANNED

// One tensor of the file is declared once for each format that it has, with the layers that have it.
// CHECK: lathe.weights @norm : 6 x tensor<64xf32>
// CHECK: lathe.weights @qkv : 6 x tensor<64x64x!lathe.q4_0>
// CHECK: lathe.weights @down.q4_1 : [0, 1, 3, 4] x tensor<64x64x!lathe.q4_1> from "blk.{}.down.weight"
// CHECK: lathe.weights @down.q8_0 : [2] x tensor<64x64x!lathe.q8_0> from "blk.{}.down.weight"
// CHECK: lathe.weights @down.f16 : [5] x tensor<64x64xf16> from "blk.{}.down.weight"
lathe.weights @embedding : tensor<96x64x!lathe.q8_0> from "embedding.weight"
lathe.weights @norm : 6 x tensor<64xf32> from "blk.{}.norm.weight"
lathe.weights @qkv : 6 x tensor<64x64x!lathe.q4_0> from "blk.{}.qkv.weight"
lathe.weights @down.q4_1 : [0, 1, 3, 4] x tensor<64x64x!lathe.q4_1> from "blk.{}.down.weight"
lathe.weights @down.q8_0 : [2] x tensor<64x64x!lathe.q8_0> from "blk.{}.down.weight"
lathe.weights @down.f16 : [5] x tensor<64x64xf16> from "blk.{}.down.weight"

// Three bodies for six layers: a window of 8 positions in the first, all positions in the others,
// which differ in one format.
// CHECK-LABEL: func.func @forward(
// CHECK:         lathe.layers %[[I:.*]] = 0 to 6 (%{{.*}} = %{{.*}}, %[[C:.*]] = %{{.*}}) select [0, 0, 1, 0, 0, 2] : tensor<?x64xf32>, !lathe.kv<6 x 2 x 32 x f16> {
// CHECK:           lathe.weight @norm[%[[I]]]
// CHECK:           lathe.attention %{{.*}}, %{{.*}}[%[[I]]] at %{{.*}} {scale = 1.250000e-01 : f32, window = 8 : i64}
// CHECK:           lathe.weight @down.q4_1[%[[I]]] : tensor<64x64x!lathe.q4_1>
// CHECK:           lathe.yield
// CHECK:         }, {
// CHECK:           lathe.weight @norm[%[[I]]]
// CHECK:           lathe.attention %{{.*}}, %{{.*}}[%[[I]]] at %{{.*}} {scale = 1.250000e-01 : f32} :
// CHECK:           lathe.weight @down.q8_0[%[[I]]] : tensor<64x64x!lathe.q8_0>
// CHECK:           lathe.yield
// CHECK:         }, {
// CHECK:           lathe.weight @norm[%[[I]]]
// CHECK:           lathe.attention %{{.*}}, %{{.*}}[%[[I]]] at %{{.*}} {scale = 1.250000e-01 : f32} :
// CHECK:           lathe.weight @down.f16[%[[I]]] : tensor<64x64xf16>
// CHECK:           lathe.yield
// CHECK:         }
// CHECK-NOT:     lathe.attention

// The bodies stay bodies on the way to a step program; the arithmetic follows each format.
// PLANNED:       step.program @decode
// PLANNED:         step.layers %[[I:.*]] = 0 to 6 select [0, 0, 1, 0, 0, 2] {
// PLANNED:           window = 8
// PLANNED:           lathe.linear %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q4_1>
// PLANNED:         }, {
// PLANNED-NOT:       window
// PLANNED:           lathe.linear %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q8_0>
// PLANNED:         }, {
// PLANNED-NOT:       window
// PLANNED:           lathe.linear %{{.*}} : tensor<?x64xf32>, tensor<64x64xf16>
// PLANNED:         }
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<6 x 2 x 32 x f16>) -> (tensor<?x96xf32>, !lathe.kv<6 x 2 x 32 x f16>) {
  %table = lathe.weight @embedding : tensor<96x64x!lathe.q8_0>
  %x = lathe.embed %rows, %table : tensor<96x64x!lathe.q8_0> -> tensor<?x64xf32>
  %0:2 = lathe.layers %i = 0 to 6 (%h = %x, %c = %kv) select [0, 0, 1, 0, 0, 2] : tensor<?x64xf32>, !lathe.kv<6 x 2 x 32 x f16> {
    %norm = lathe.weight @norm[%i] : tensor<64xf32>
    %n = lathe.rms_norm %h, %norm {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %qkv = lathe.weight @qkv[%i] : tensor<64x64x!lathe.q4_0>
    %1 = lathe.linear %n, %qkv : tensor<?x64xf32>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
    %2 = lathe.split_heads %1 : tensor<?x64xf32> -> tensor<?x2x32xf32>
    %c1 = lathe.kv_append %c[%i], %2, %2 at %rows : !lathe.kv<6 x 2 x 32 x f16>, tensor<?x2x32xf32>
    %3 = lathe.attention %2, %c1[%i] at %rows {scale = 0.125 : f32, window = 8} : tensor<?x2x32xf32>, !lathe.kv<6 x 2 x 32 x f16>
    %4 = lathe.merge_heads %3 : tensor<?x2x32xf32> -> tensor<?x64xf32>
    %down = lathe.weight @down.q4_1[%i] : tensor<64x64x!lathe.q4_1>
    %5 = lathe.linear %4, %down : tensor<?x64xf32>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
    %6 = lathe.add %h, %5 : tensor<?x64xf32>
    lathe.yield %6, %c1 : tensor<?x64xf32>, !lathe.kv<6 x 2 x 32 x f16>
  }, {
    %norm = lathe.weight @norm[%i] : tensor<64xf32>
    %n = lathe.rms_norm %h, %norm {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %qkv = lathe.weight @qkv[%i] : tensor<64x64x!lathe.q4_0>
    %1 = lathe.linear %n, %qkv : tensor<?x64xf32>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
    %2 = lathe.split_heads %1 : tensor<?x64xf32> -> tensor<?x2x32xf32>
    %c1 = lathe.kv_append %c[%i], %2, %2 at %rows : !lathe.kv<6 x 2 x 32 x f16>, tensor<?x2x32xf32>
    %3 = lathe.attention %2, %c1[%i] at %rows {scale = 0.125 : f32} : tensor<?x2x32xf32>, !lathe.kv<6 x 2 x 32 x f16>
    %4 = lathe.merge_heads %3 : tensor<?x2x32xf32> -> tensor<?x64xf32>
    %down = lathe.weight @down.q8_0[%i] : tensor<64x64x!lathe.q8_0>
    %5 = lathe.linear %4, %down : tensor<?x64xf32>, tensor<64x64x!lathe.q8_0> -> tensor<?x64xf32>
    %6 = lathe.add %h, %5 : tensor<?x64xf32>
    lathe.yield %6, %c1 : tensor<?x64xf32>, !lathe.kv<6 x 2 x 32 x f16>
  }, {
    %norm = lathe.weight @norm[%i] : tensor<64xf32>
    %n = lathe.rms_norm %h, %norm {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %qkv = lathe.weight @qkv[%i] : tensor<64x64x!lathe.q4_0>
    %1 = lathe.linear %n, %qkv : tensor<?x64xf32>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
    %2 = lathe.split_heads %1 : tensor<?x64xf32> -> tensor<?x2x32xf32>
    %c1 = lathe.kv_append %c[%i], %2, %2 at %rows : !lathe.kv<6 x 2 x 32 x f16>, tensor<?x2x32xf32>
    %3 = lathe.attention %2, %c1[%i] at %rows {scale = 0.125 : f32} : tensor<?x2x32xf32>, !lathe.kv<6 x 2 x 32 x f16>
    %4 = lathe.merge_heads %3 : tensor<?x2x32xf32> -> tensor<?x64xf32>
    %down = lathe.weight @down.f16[%i] : tensor<64x64xf16>
    %5 = lathe.linear %4, %down : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
    %6 = lathe.add %h, %5 : tensor<?x64xf32>
    lathe.yield %6, %c1 : tensor<?x64xf32>, !lathe.kv<6 x 2 x 32 x f16>
  }
  %7 = lathe.select_logits %0#0, %rows : tensor<?x64xf32>
  %8 = lathe.linear %7, %table : tensor<?x64xf32>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return %8, %0#1 : tensor<?x96xf32>, !lathe.kv<6 x 2 x 32 x f16>
}
