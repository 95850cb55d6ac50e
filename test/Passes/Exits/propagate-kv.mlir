// Behind an exit the layers go on with their keys and values, and nothing else.
// RUN: lathe-opt %s --split-input-file --lathe-propagate-kv --canonicalize | FileCheck %s
// RUN: lathe-opt %s --split-input-file --lathe-propagate-kv --canonicalize --lathe-propagate-kv | FileCheck %s

// CHECK-LABEL: func.func @two_bodies(
// CHECK:       select [0, 1, 0] rest [2, 3, 2] behind propagate
// CHECK:         lathe.silu
// CHECK:       }, {
// CHECK:         until
// CHECK:       }, {
// CHECK-NEXT:    %[[W:.*]] = lathe.weight @k[%[[I:.*]]]
// CHECK-NEXT:    %[[K:.*]] = lathe.linear %[[H:.*]], %[[W]]
// CHECK-NEXT:    %[[S:.*]] = lathe.split_heads %[[K]]
// CHECK-NEXT:    %[[C:.*]] = lathe.kv_append %{{.*}}[%[[I]]], %[[S]], %[[S]]
// CHECK-NEXT:    lathe.yield %[[H]], %[[C]] : tensor
// CHECK-NEXT:  }, {
// CHECK-NEXT:    lathe.yield %[[H]], %{{[^ ]*}} : tensor
// CHECK-NEXT:  }
lathe.weights @k : [0, 2] x tensor<64x64xf32> from "blk.{}.k"
func.func @two_bodies(%x: tensor<?x64xf32>, %kv: !lathe.kv<3 x 1 x 64 x f32>, %rows: !lathe.rows) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows select [0, 1, 0] behind propagate : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
    %w = lathe.weight @k[%i] : tensor<64x64xf32>
    %k = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.split_heads %k : tensor<?x64xf32> -> tensor<?x1x64xf32>
    %c1 = lathe.kv_append %c[%i], %s, %s at %rows : !lathe.kv<3 x 1 x 64 x f32>, tensor<?x1x64xf32>
    %y = lathe.silu %k : tensor<?x64xf32>
    lathe.yield %y, %c1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }, {
    %y = lathe.gelu_tanh %h : tensor<?x64xf32>
    %p = lathe.margin %y : tensor<?x64xf32>
    lathe.yield %y, %c until %p : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
  return %0, %1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
}

// -----

// Whoever is owed keys and values has them computed otherwise, and a stack without exits goes on.
// CHECK-LABEL: func.func @owed(
// CHECK-NOT:     rest
// CHECK-LABEL: func.func @no_exit(
// CHECK-NOT:     rest
func.func @owed(%x: tensor<?x64xf32>, %kv: !lathe.kv<3 x 1 x 64 x f32>, %rows: !lathe.rows) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows behind defer : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
    %p = lathe.margin %h : tensor<?x64xf32>
    lathe.yield %h, %c until %p : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
  return %0, %1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
}
func.func @no_exit(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows : tensor<?x64xf32> {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// What leaves is for the head: the layers behind read what the exit's layer gave, which one more
// carried value keeps.  Whoever stays passes it on as it is.
// CHECK-LABEL: func.func @lens(
// CHECK-SAME:    %[[X:[a-z0-9]*]]: tensor<?x64xf32>
// CHECK:       %[[STACK:[0-9]*]]:3 = lathe.layers %[[I:.*]] = 0 to 3 (%[[H:.*]] = %[[X]], %[[C:.*]] = %{{.*}}, %[[KEPT:.*]] = %[[X]]) at
// CHECK-SAME:    select [0, 1, 0] rest [2, 2, 2] behind propagate
// CHECK:         %[[K:.*]] = lathe.linear %[[H]],
// CHECK:         lathe.yield %{{.*}}, %{{.*}}, %[[KEPT]] : tensor
// CHECK:       }, {
// CHECK:         %[[Y:.*]] = lathe.silu
// CHECK:         %[[Z:.*]] = lathe.gelu_tanh %[[Y]]
// CHECK:         lathe.yield %[[Y]], %[[C1:.*]], %[[KEPT]] until %{{.*}} leaving %[[Z]], %[[C1]], %[[Y]] : tensor
// CHECK:       }, {
// CHECK:         %[[K:.*]] = lathe.linear %[[KEPT]],
// CHECK:         lathe.yield %[[H]], %{{.*}}, %[[KEPT]] : tensor
// CHECK:       }
// CHECK:       return %[[STACK]]#0, %[[STACK]]#1
lathe.weights @k : 3 x tensor<64x64xf32> from "blk.{}.k"
func.func @lens(%x: tensor<?x64xf32>, %kv: !lathe.kv<3 x 1 x 64 x f32>, %rows: !lathe.rows) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows select [0, 1, 0] behind propagate : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
    %w = lathe.weight @k[%i] : tensor<64x64xf32>
    %k = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.split_heads %k : tensor<?x64xf32> -> tensor<?x1x64xf32>
    %c1 = lathe.kv_append %c[%i], %s, %s at %rows : !lathe.kv<3 x 1 x 64 x f32>, tensor<?x1x64xf32>
    %y = lathe.silu %k : tensor<?x64xf32>
    lathe.yield %y, %c1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }, {
    %w = lathe.weight @k[%i] : tensor<64x64xf32>
    %k = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.split_heads %k : tensor<?x64xf32> -> tensor<?x1x64xf32>
    %c1 = lathe.kv_append %c[%i], %s, %s at %rows : !lathe.kv<3 x 1 x 64 x f32>, tensor<?x1x64xf32>
    %y = lathe.silu %k : tensor<?x64xf32>
    %p = lathe.margin %y : tensor<?x64xf32>
    %z = lathe.gelu_tanh %y : tensor<?x64xf32>
    lathe.yield %y, %c1 until %p leaving %z, %c1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
  return %0, %1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
}
