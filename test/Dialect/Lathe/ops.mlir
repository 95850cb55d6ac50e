// Every op of the model level, as text, in generic form and as bytecode.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// CHECK-LABEL: func.func @rows_in_and_out(
func.func @rows_in_and_out(%rows: !lathe.rows, %q: tensor<96x64x!lathe.q8_0>, %f: tensor<96x64xf32>) {
  // A table is a weight in any format; a scale of 1 is not printed.
  // CHECK: lathe.embed %{{.*}}, %{{.*}} : tensor<96x64x!lathe.q8_0> -> tensor<?x64xf32>
  // CHECK: lathe.embed %{{.*}}, %{{.*}} {scale = 8.000000e+00 : f32} : tensor<96x64xf32> -> tensor<?x64xf32>
  %0 = lathe.embed %rows, %q : tensor<96x64x!lathe.q8_0> -> tensor<?x64xf32>
  %1 = lathe.embed %rows, %f {scale = 8.0 : f32} : tensor<96x64xf32> -> tensor<?x64xf32>
  // CHECK: lathe.select_logits %{{.*}}, %{{.*}} : tensor<?x64xf32>
  %2 = lathe.select_logits %0, %rows : tensor<?x64xf32>
  return
}

// CHECK-LABEL: func.func @row_wise(
func.func @row_wise(%rows: !lathe.rows, %x: tensor<?x64xf32>, %h: tensor<?x2x32xf32>, %w: tensor<64xf32>, %v: tensor<32xf32>) {
  // A norm is over a row, or over each head of a row.
  // CHECK: lathe.rms_norm %{{.*}}, %{{.*}} {eps = 9.99999974E-6 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: lathe.rms_norm %{{.*}}, %{{.*}} {eps = 0.000000e+00 : f32} : tensor<?x2x32xf32>, tensor<32xf32>
  %0 = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %1 = lathe.rms_norm %h, %v {eps = 0.0 : f32} : tensor<?x2x32xf32>, tensor<32xf32>
  // Activations are lowered to int8 blocks or to bf16.
  // CHECK: lathe.quantize %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  // CHECK: lathe.quantize %{{.*}} : tensor<?x64xf32> -> tensor<?x64xbf16>
  %2 = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %3 = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64xbf16>
  // CHECK: lathe.rope_table %{{.*}} {base = 1.000000e+05 : f64} : tensor<?x16x2xf32>
  // CHECK: lathe.rope_table %{{.*}} {base = 5.000000e+05 : f64, factors = array<f32: 1.000000e+00, 8.000000e+00>} : tensor<?x2x2xf32>
  %4 = lathe.rope_table %rows {base = 1.0e+05 : f64} : tensor<?x16x2xf32>
  %5 = lathe.rope_table %rows {base = 5.0e+05 : f64, factors = array<f32: 1.0, 8.0>} : tensor<?x2x2xf32>
  // CHECK: lathe.rope_table %{{.*}} {base = 1.000000e+06 : f64, stretch = 8.000000e+00 : f32} : tensor<?x2x2xf32>
  // CHECK: lathe.rope_table %{{.*}} {base = 1.000000e+06 : f64} : tensor<?x2x2xf32>
  %6 = lathe.rope_table %rows {base = 1.0e+06 : f64, stretch = 8.0 : f32} : tensor<?x2x2xf32>
  %7 = lathe.rope_table %rows {base = 1.0e+06 : f64, stretch = 1.0 : f32} : tensor<?x2x2xf32>
  return
}

// The element types of the input and of the weight say which arithmetic a contraction has.
// CHECK-LABEL: func.func @contraction(
func.func @contraction(%f: tensor<?x64xf32>, %b: tensor<?x64xbf16>, %q: tensor<?x64x!lathe.q8_act>,
                       %wf: tensor<96x64xf32>, %wb: tensor<96x64xbf16>, %wq: tensor<96x64x!lathe.q4_0>) {
  // CHECK: lathe.linear %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  // CHECK: lathe.linear %{{.*}}, %{{.*}} : tensor<?x64xbf16>, tensor<96x64xbf16> -> tensor<?x96xf32>
  // CHECK: lathe.linear %{{.*}}, %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q4_0> -> tensor<?x96xf32>
  %0 = lathe.linear %f, %wf : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %1 = lathe.linear %b, %wb : tensor<?x64xbf16>, tensor<96x64xbf16> -> tensor<?x96xf32>
  %2 = lathe.linear %q, %wq : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q4_0> -> tensor<?x96xf32>
  return
}

// An output head of which few results are wanted: 64, unless it says otherwise.
// CHECK-LABEL: func.func @head(
func.func @head(%q: tensor<?x64x!lathe.q8_act>, %w: tensor<96x64x!lathe.q8_0_planes4>) {
  // CHECK: lathe.head_topk %{{.*}}, %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
  // CHECK: lathe.head_topk %{{.*}}, %{{.*}} {k = 1 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
  %0 = lathe.head_topk %q, %w {k = 64 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
  %1 = lathe.head_topk %q, %w {k = 1 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
  return
}

// CHECK-LABEL: func.func @heads(
func.func @heads(%x: tensor<?x64xf32>, %h: tensor<?x2x32xf32>, %all: tensor<?x16x2xf32>, %part: tensor<?x8x2xf32>) {
  // CHECK: lathe.split_heads %{{.*}} : tensor<?x64xf32> -> tensor<?x2x32xf32>
  // CHECK: lathe.merge_heads %{{.*}} : tensor<?x2x32xf32> -> tensor<?x64xf32>
  %0 = lathe.split_heads %x : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %1 = lathe.merge_heads %h : tensor<?x2x32xf32> -> tensor<?x64xf32>
  // Both pairings; a table of fewer pairs turns the first elements of a head only.
  // CHECK: lathe.rope %{{.*}}, %{{.*}} interleaved : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  // CHECK: lathe.rope %{{.*}}, %{{.*}} half : tensor<?x2x32xf32>, tensor<?x8x2xf32>
  %2 = lathe.rope %h, %all interleaved : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %3 = lathe.rope %h, %part half : tensor<?x2x32xf32>, tensor<?x8x2xf32>
  return
}

// The cache is a value: an append gives a new one, which attention reads.
// CHECK-LABEL: func.func @cache(
// CHECK-SAME:    %[[KV:[^:]*]]: !lathe.kv<2 x 2 x 32 x f16>
func.func @cache(%kv: !lathe.kv<2 x 2 x 32 x f16>, %rows: !lathe.rows, %q: tensor<?x4x32xf32>, %k: tensor<?x2x32xf32>) {
  // CHECK: %[[LAYER:.*]] = arith.constant 1 : index
  %layer = arith.constant 1 : index
  // CHECK: %[[NEW:.*]] = lathe.kv_append %[[KV]][%[[LAYER]]], %{{.*}}, %{{.*}} at %{{.*}} : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x32xf32>
  %new = lathe.kv_append %kv[%layer], %k, %k at %rows : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x32xf32>
  // All positions so far, or a window of them.
  // CHECK: lathe.attention %{{.*}}, %[[NEW]][%[[LAYER]]] at %{{.*}} {scale = 1.250000e-01 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  // CHECK: lathe.attention %{{.*}}, %[[NEW]][%[[LAYER]]] at %{{.*}} {scale = 1.250000e-01 : f32, window = 128 : i64} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  %0 = lathe.attention %q, %new[%layer] at %rows {scale = 0.125 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  %1 = lathe.attention %q, %new[%layer] at %rows {scale = 0.125 : f32, window = 128} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  return
}

// What meets a cache of bf16 may be rounded to it.
// CHECK-LABEL: func.func @attention_precision(
func.func @attention_precision(%kv: !lathe.kv<2 x 2 x 32 x bf16>, %rows: !lathe.rows, %q: tensor<?x4x32xf32>, %i: index) {
  // CHECK: lathe.attention {{.*}} {scale = 1.250000e-01 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x bf16>
  // CHECK: lathe.attention {{.*}} {precision_type = bf16, scale = 1.250000e-01 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x bf16>
  %0 = lathe.attention %q, %kv[%i] at %rows {scale = 0.125 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x bf16>
  %1 = lathe.attention %q, %kv[%i] at %rows {scale = 0.125 : f32, precision_type = bf16} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x bf16>
  return
}

// CHECK-LABEL: func.func @elementwise(
func.func @elementwise(%x: tensor<?x64xf32>, %b: tensor<64xf32>) {
  // CHECK: lathe.silu %{{.*}} : tensor<?x64xf32>
  // CHECK: lathe.gelu_tanh %{{.*}} : tensor<?x64xf32>
  // CHECK: lathe.add %{{.*}}, %{{.*}} : tensor<?x64xf32>
  // CHECK: lathe.mul %{{.*}}, %{{.*}} : tensor<?x64xf32>
  // CHECK: lathe.bias %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<64xf32>
  %0 = lathe.silu %x : tensor<?x64xf32>
  %t = lathe.gelu_tanh %x : tensor<?x64xf32>
  %1 = lathe.add %0, %t : tensor<?x64xf32>
  %2 = lathe.mul %0, %1 : tensor<?x64xf32>
  %3 = lathe.bias %2, %b : tensor<?x64xf32>, tensor<64xf32>
  return
}

// A group gives what is needed outside: a value, several, or nothing.
// CHECK-LABEL: func.func @group(
func.func @group(%x: tensor<?x64xf32>) {
  // CHECK: %{{.*}}:2 = lathe.group "gate+up" -> tensor<?x64xf32>, tensor<?x64xf32> {
  // CHECK:   lathe.yield %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?x64xf32>
  // CHECK: }
  %0:2 = lathe.group "gate+up" -> tensor<?x64xf32>, tensor<?x64xf32> {
    %1 = lathe.silu %x : tensor<?x64xf32>
    lathe.yield %1, %x : tensor<?x64xf32>, tensor<?x64xf32>
  }
  // CHECK:      lathe.group "none" {
  // CHECK-NEXT:   lathe.yield{{$}}
  // CHECK-NEXT: }
  lathe.group "none" {
  }
  return
}
