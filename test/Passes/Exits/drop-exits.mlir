// A program whose exits are dropped is the one that it was before they were written.
// RUN: lathe-opt %s --lathe-drop-exits --canonicalize | FileCheck %s
// RUN: lathe-opt %s --lathe-drop-exits --canonicalize | FileCheck %s --check-prefix=GONE

// What exits alone read goes with them, and what nothing ever read stays.
// CHECK:      lathe.weights @w : 3 x tensor<64xf32>
// CHECK-NEXT: lathe.weights @unused : tensor<64xf32>
// CHECK-NEXT: func.func @forward
// CHECK:        lathe.layers %{{.*}} = 0 to 3 (%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) at %{{.*}} : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
// CHECK-NEXT:     lathe.weight @w
// CHECK-NEXT:     lathe.bias
// CHECK-NEXT:     lathe.yield %{{.*}}, %{{.*}} : tensor
// CHECK-NEXT:   }
// CHECK-NEXT:   return
// GONE-NOT: @exit
// GONE-NOT: until
// GONE-NOT: behind
lathe.weights @w : 3 x tensor<64xf32> from "blk.{}.w"
lathe.weights @exit.w : [1] x tensor<64xf32> from "exit.{}.w"
lathe.weights @exit.b : [1] x tensor<1xf32> from "exit.{}.b"
lathe.weights @unused : tensor<64xf32> from "unused"
func.func @forward(%x: tensor<?x64xf32>, %kv: !lathe.kv<3 x 1 x 64 x f32>, %rows: !lathe.rows) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows select [0, 1, 0] behind propagate : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
    %w = lathe.weight @w[%i] : tensor<64xf32>
    %y = lathe.bias %h, %w : tensor<?x64xf32>, tensor<64xf32>
    lathe.yield %y, %c : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }, {
    %w = lathe.weight @w[%i] : tensor<64xf32>
    %y = lathe.bias %h, %w : tensor<?x64xf32>, tensor<64xf32>
    %ew = lathe.weight @exit.w[%i] : tensor<64xf32>
    %eb = lathe.weight @exit.b[%i] : tensor<1xf32>
    %p = lathe.logistic %y, %ew, %eb : tensor<?x64xf32>, tensor<64xf32>, tensor<1xf32>
    %z = lathe.silu %y : tensor<?x64xf32>
    lathe.yield %y, %c until %p leaving %z, %c : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
  return %0, %1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
}
