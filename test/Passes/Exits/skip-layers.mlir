// Layers that are left out for good, and the bodies that nothing runs then.
// RUN: lathe-opt %s --lathe-skip-layers=layers=1,4 | FileCheck %s --check-prefixes=CHECK,KEPT
// RUN: lathe-opt %s --lathe-skip-layers=layers=4,1 --canonicalize | FileCheck %s --check-prefixes=CHECK,DROPPED
// RUN: lathe-opt %s --lathe-skip-layers --canonicalize | FileCheck %s --check-prefix=NOTHING

// Those that were left out before stay so; weights stay, too.
// CHECK:      lathe.weights @w : 6 x tensor<64xf32>
// CHECK-LABEL: func.func @two_bodies(
// KEPT:         at %{{.*}} select [0, 1, 0, 0, 1, 0] skip [1, 3, 4] : tensor<?x64xf32> {
// KEPT:           lathe.bias
// KEPT:         }, {
// KEPT:           lathe.silu
// DROPPED:      at %{{.*}} skip [1, 3, 4] : tensor<?x64xf32> {
// DROPPED:        lathe.bias
// DROPPED-NOT:    lathe.silu
// NOTHING:      select [0, 1, 0, 0, 1, 0] skip [3] : tensor<?x64xf32> {
lathe.weights @w : 6 x tensor<64xf32> from "blk.{}.w"
func.func @two_bodies(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 6 (%h = %x) at %rows select [0, 1, 0, 0, 1, 0] skip [3] : tensor<?x64xf32> {
    %w = lathe.weight @w[%i] : tensor<64xf32>
    %y = lathe.bias %h, %w : tensor<?x64xf32>, tensor<64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Of three bodies two are left, with other numbers.
// CHECK-LABEL: func.func @three_bodies(
// DROPPED:      select [0, 0, 1, 1, 0, 1] skip [1, 4] : tensor<?x64xf32> {
// DROPPED:        lathe.silu
// DROPPED:      }, {
// DROPPED:        lathe.gelu_tanh
func.func @three_bodies(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 6 (%h = %x) select [0, 1, 2, 2, 1, 2] : tensor<?x64xf32> {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    lathe.yield %h : tensor<?x64xf32>
  }, {
    %y = lathe.gelu_tanh %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
