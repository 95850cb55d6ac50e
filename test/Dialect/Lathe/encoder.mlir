// The ops of encoders, as text, in generic form and as bytecode.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// Three embeddings of a row, each from a table in any format.
// CHECK-LABEL: func.func @embeddings(
func.func @embeddings(%rows: !lathe.rows, %p: tensor<512x64xf32>, %s: tensor<2x64x!lathe.q8_0>) {
  // CHECK: lathe.embed_position %{{.*}}, %{{.*}} : tensor<512x64xf32> -> tensor<?x64xf32>
  // CHECK: lathe.embed_segment %{{.*}}, %{{.*}} : tensor<2x64x!lathe.q8_0> -> tensor<?x64xf32>
  %0 = lathe.embed_position %rows, %p : tensor<512x64xf32> -> tensor<?x64xf32>
  %1 = lathe.embed_segment %rows, %s : tensor<2x64x!lathe.q8_0> -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: func.func @rows(
func.func @rows(%rows: !lathe.rows, %x: tensor<?x72xf32>, %w: tensor<72xf32>, %b: tensor<72xf32>) {
  // CHECK: lathe.layer_norm %{{.*}}, %{{.*}}, %{{.*}} {eps = 9.99999996E-13 : f32} : tensor<?x72xf32>, tensor<72xf32>
  // CHECK: lathe.gelu %{{.*}} : tensor<?x72xf32>
  // CHECK: lathe.self_attention %{{.*}}, %{{.*}}, %{{.*}} at %{{.*}} {heads = 3 : i64, scale = 2.500000e-01 : f32} : tensor<?x72xf32>
  // CHECK: lathe.pool %{{.*}}, %{{.*}} : tensor<?x72xf32>
  %0 = lathe.layer_norm %x, %w, %b {eps = 1.0e-12 : f32} : tensor<?x72xf32>, tensor<72xf32>
  %1 = lathe.gelu %0 : tensor<?x72xf32>
  %2 = lathe.self_attention %0, %1, %x at %rows {heads = 3, scale = 0.25 : f32} : tensor<?x72xf32>
  %3 = lathe.pool %2, %rows : tensor<?x72xf32>
  return
}
