// A model that gives the neurons of the last layer that ran, and what does not lead there is gone.
// RUN: lathe-opt %s --lathe-show-neurons --canonicalize | FileCheck %s

// CHECK:       lathe.weights @neurons.first : tensor<96x64xf32> from "blk.0.up"
// CHECK-NOT:   @head
// CHECK-LABEL: func.func @forward(
// CHECK-SAME:    -> (tensor<?x96xf32>, !lathe.kv<3 x 1 x 64 x f32>)
// CHECK:         %[[X:.*]] = lathe.embed
// CHECK:         %[[FIRST:.*]] = lathe.weight @neurons.first
// CHECK:         %[[INIT:.*]] = lathe.linear %[[X]], %[[FIRST]] {{.*}} -> tensor<?x96xf32>
// CHECK:         %[[OUT:.*]]:3 = lathe.layers %{{.*}} = 0 to 3 (%{{.*}} = %[[X]], %{{.*}} = %{{.*}}, %[[BEFORE:.*]] = %[[INIT]]) at %{{.*}} select [0, 1, 0]
// CHECK:           %[[N:.*]] = lathe.silu
// CHECK:           lathe.linear %[[N]]
// CHECK:           lathe.yield %{{.*}}, %{{.*}}, %[[N]] :
// CHECK:         }, {
// CHECK:           lathe.yield %{{.*}}, %{{.*}}, %[[BEFORE]] :
// CHECK:         %[[SHOWN:.*]] = lathe.select_logits %[[OUT]]#2
// CHECK:         return %[[SHOWN]], %[[OUT]]#1
lathe.weights @embd : tensor<300x64xf32> from "embd"
lathe.weights @up : [0, 2] x tensor<96x64xf32> from "blk.{}.up"
lathe.weights @down : [0, 2] x tensor<64x96xf32> from "blk.{}.down"
lathe.weights @head : tensor<300x64xf32> from "head"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 64 x f32>) -> (tensor<?x300xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %e = lathe.weight @embd : tensor<300x64xf32>
  %x = lathe.embed %rows, %e : tensor<300x64xf32> -> tensor<?x64xf32>
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows select [0, 1, 0] : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
    %wu = lathe.weight @up[%i] : tensor<96x64xf32>
    %wd = lathe.weight @down[%i] : tensor<64x96xf32>
    %u = lathe.linear %h, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %s = lathe.silu %u : tensor<?x96xf32>
    %d = lathe.linear %s, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
    lathe.yield %d, %c : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }, {
    %s = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %s, %c : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
  %r = lathe.select_logits %0, %rows : tensor<?x64xf32>
  %w = lathe.weight @head : tensor<300x64xf32>
  %l = lathe.linear %r, %w : tensor<?x64xf32>, tensor<300x64xf32> -> tensor<?x300xf32>
  return %l, %1 : tensor<?x300xf32>, !lathe.kv<3 x 1 x 64 x f32>
}
