// Stacks that may be left early parse and print as they are written, and mean what they say.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// CHECK-LABEL: func.func @confidence(
// CHECK: lathe.logistic %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<64xf32>, tensor<1xf32>
// CHECK: lathe.margin %{{.*}} : tensor<?x64xf32>
func.func @confidence(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %b: tensor<1xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %0 = lathe.logistic %x, %w, %b : tensor<?x64xf32>, tensor<64xf32>, tensor<1xf32>
  %1 = lathe.margin %x : tensor<?x64xf32>
  return %0, %1 : tensor<?x1xf32>, tensor<?x1xf32>
}

// CHECK-LABEL: func.func @exits(
// CHECK:      at %{{.*}} select [0, 1, 0] rest [2, 2, 2] skip [2] behind none : tensor<?x64xf32> {
// CHECK:        lathe.yield %{{[^ ]*}} : tensor<?x64xf32>
// CHECK:      }, {
// CHECK:        lathe.yield %[[Y:.*]] until %{{.*}} leaving %{{.*}} : tensor<?x64xf32>
// CHECK:      }, {
func.func @exits(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows select [0, 1, 0] rest [2, 2, 2] skip [2] behind none : tensor<?x64xf32> {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %y = lathe.silu %h : tensor<?x64xf32>
    %p = lathe.margin %y : tensor<?x64xf32>
    %z = lathe.gelu_tanh %y : tensor<?x64xf32>
    lathe.yield %y until %p leaving %z : tensor<?x64xf32>
  }, {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Without `leaving` the values of the layer leave.
// CHECK-LABEL: func.func @plain(
// CHECK:      at %{{.*}} behind none : tensor<?x64xf32> {
// CHECK:        lathe.yield %{{.*}} until %{{.*}} : tensor<?x64xf32>
func.func @plain(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows behind none : tensor<?x64xf32> {
    %p = lathe.margin %h : tensor<?x64xf32>
    lathe.yield %h until %p : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
