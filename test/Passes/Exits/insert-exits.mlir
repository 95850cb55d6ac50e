// Layers with an exit run a body of their own; its weights are in another file, behind all others.
// RUN: lathe-opt %s --lathe-insert-exits="layers=0,2" | FileCheck %s
// RUN: lathe-opt %s --lathe-insert-exits="layers=1 rank=8 behind=defer file=mine" | FileCheck %s --check-prefix=RANK
// RUN: lathe-opt %s --lathe-insert-exits="layers=0,2" --lathe-drop-exits --canonicalize | FileCheck %s --check-prefix=DROP

// CHECK:      lathe.weights @k : 4 x
// CHECK-NEXT: lathe.weights @norm
// CHECK-NEXT: lathe.weights @exit.lens : [0, 2] x tensor<64x64xbf16> from "exit.{}.lens" in "calibration"
// CHECK-NEXT: lathe.weights @exit.offset : [0, 2] x tensor<64xf32> from "exit.{}.offset" in "calibration"
// CHECK-NEXT: lathe.weights @exit.classifier : [0, 2] x tensor<64xf32> from "exit.{}.classifier" in "calibration"
// CHECK-NEXT: lathe.weights @exit.bias : [0, 2] x tensor<1xf32> from "exit.{}.bias" in "calibration"
// CHECK:      lathe.layers {{.*}} select [2, 0, 3, 1] behind propagate
// CHECK-NOT:  until
// CHECK:      }, {
// CHECK-NOT:  until
// CHECK:      }, {
// CHECK:      %[[Y:.*]] = lathe.silu
// CHECK-DAG:  %[[W:.*]] = lathe.weight @exit.classifier[%[[I:.*]]]
// CHECK-DAG:  %[[B:.*]] = lathe.weight @exit.bias[%[[I]]]
// CHECK:      %[[P:.*]] = lathe.logistic %[[Y]], %[[W]], %[[B]]
// CHECK:      %[[M:.*]] = lathe.weight @exit.lens[%[[I]]]
// CHECK-NEXT: %[[D:.*]] = lathe.linear %[[Y]], %[[M]]
// CHECK-NEXT: %[[O:.*]] = lathe.weight @exit.offset[%[[I]]]
// CHECK-NEXT: %[[E:.*]] = lathe.bias %[[D]], %[[O]]
// CHECK-NEXT: %[[Z:.*]] = lathe.add %[[E]], %[[Y]]
// CHECK-NEXT: lathe.yield %[[Y]], %[[C:.*]] until %[[P]] leaving %[[Z]], %[[C]]
// CHECK:      }, {
// CHECK:      lathe.gelu_tanh
// CHECK:      until

// RANK: lathe.weights @exit.lens_in : [1] x tensor<8x64xbf16> from "exit.{}.lens_in" in "mine"
// RANK: lathe.weights @exit.lens : [1] x tensor<64x8xbf16> from "exit.{}.lens" in "mine"
// RANK: lathe.layers {{.*}} select [0, 2, 1, 1] behind defer
// RANK: lathe.linear {{.*}} -> tensor<?x8xf32>
// RANK: lathe.linear {{.*}} -> tensor<?x64xf32>
// RANK: lathe.yield {{.*}} until

// DROP-NOT: @exit
// DROP:     select [0, 0, 1, 1] :
// DROP-NOT: until
lathe.weights @k : 4 x tensor<64x64xf32> from "blk.{}.k"
lathe.weights @norm : tensor<64xf32> from "norm"
func.func @forward(%x: tensor<?x64xf32>, %kv: !lathe.kv<4 x 1 x 64 x f32>, %rows: !lathe.rows) -> (tensor<?x64xf32>, !lathe.kv<4 x 1 x 64 x f32>) {
  %0, %1 = lathe.layers %i = 0 to 4 (%h = %x, %c = %kv) at %rows select [0, 0, 1, 1] : tensor<?x64xf32>, !lathe.kv<4 x 1 x 64 x f32> {
    %w = lathe.weight @k[%i] : tensor<64x64xf32>
    %k = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.split_heads %k : tensor<?x64xf32> -> tensor<?x1x64xf32>
    %c1 = lathe.kv_append %c[%i], %s, %s at %rows : !lathe.kv<4 x 1 x 64 x f32>, tensor<?x1x64xf32>
    %y = lathe.silu %k : tensor<?x64xf32>
    lathe.yield %y, %c1 : tensor<?x64xf32>, !lathe.kv<4 x 1 x 64 x f32>
  }, {
    %y = lathe.gelu_tanh %h : tensor<?x64xf32>
    lathe.yield %y, %c : tensor<?x64xf32>, !lathe.kv<4 x 1 x 64 x f32>
  }
  return %0, %1 : tensor<?x64xf32>, !lathe.kv<4 x 1 x 64 x f32>
}
