// The MLPs of a stack get a width, and nothing else does.
// RUN: lathe-opt %s --lathe-choose-widths --split-input-file | FileCheck %s
// RUN: lathe-opt %s --lathe-choose-widths=unasked=0.5 --split-input-file | FileCheck %s --check-prefix=HALF

// Gate, up and down of one layer, by blocks of the weights. What goes past the MLP is as it was.
// CHECK-LABEL: func.func @gated(
// CHECK:       lathe.layers %[[I:.*]] = 0 to 3
// CHECK-NEXT:    %[[W:.*]] = lathe.width %{{.*}}[%[[I]]] of 1024 by 256{{$}}
// CHECK:         lathe.linear %{{.*}}, %{{[^ ]*}} : tensor<?x64xf32>, tensor<64x64xf32>
// CHECK:         lathe.linear %{{.*}} to %[[W]] : tensor<?x64xf32>, tensor<1024x64xf32>
// CHECK:         lathe.linear %{{.*}} to %[[W]] : tensor<?x64xf32>, tensor<1024x64xf32>
// CHECK:         lathe.linear %{{.*}} of %[[W]] : tensor<?x1024xf32>, tensor<64x1024x!lathe.q4_k>
// HALF: lathe.width %{{.*}}[%{{.*}}] of 1024 by 256 unasked 512
lathe.weights @o : 3 x tensor<64x64xf32> from "blk.{}.o"
lathe.weights @gate : 3 x tensor<1024x64xf32> from "blk.{}.gate"
lathe.weights @up : 3 x tensor<1024x64xf32> from "blk.{}.up"
lathe.weights @down : 3 x tensor<64x1024x!lathe.q4_k> from "blk.{}.down"
func.func @gated(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows : tensor<?x64xf32> {
    %wo = lathe.weight @o[%i] : tensor<64x64xf32>
    %wg = lathe.weight @gate[%i] : tensor<1024x64xf32>
    %wu = lathe.weight @up[%i] : tensor<1024x64xf32>
    %wd = lathe.weight @down[%i] : tensor<64x1024x!lathe.q4_k>
    %o = lathe.linear %h, %wo : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %a = lathe.add %o, %h : tensor<?x64xf32>
    %g = lathe.linear %a, %wg : tensor<?x64xf32>, tensor<1024x64xf32> -> tensor<?x1024xf32>
    %u = lathe.linear %a, %wu : tensor<?x64xf32>, tensor<1024x64xf32> -> tensor<?x1024xf32>
    %s = lathe.silu %g : tensor<?x1024xf32>
    %m = lathe.mul %s, %u : tensor<?x1024xf32>
    %d = lathe.linear %m, %wd : tensor<?x1024xf32>, tensor<64x1024x!lathe.q4_k> -> tensor<?x64xf32>
    %y = lathe.add %a, %d : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// An MLP without a gate, with a bias of its neurons, whose rows were rounded already; a body of
// its own for the layer whose blocks are longer.
// CHECK-LABEL: func.func @plain(
// CHECK:         %[[W:.*]] = lathe.width %{{.*}}[%{{.*}}] of 512 by 32{{$}}
// CHECK:         lathe.linear %{{.*}} to %[[W]] :
// CHECK:         lathe.linear %{{.*}} of %[[W]] : tensor<?x512x!lathe.q8_act>, tensor<64x512x!lathe.q8_0>
// CHECK:       }, {
// CHECK:         %[[V:.*]] = lathe.width %{{.*}}[%{{.*}}] of 512 by 256{{$}}
// CHECK:         lathe.linear %{{.*}} of %[[V]] : tensor<?x512x!lathe.q8_act>, tensor<64x512x!lathe.q6_k>
// HALF-LABEL: func.func @plain(
// HALF: of 512 by 32 unasked 256
// HALF: of 512 by 256 unasked 256
lathe.weights @up : 2 x tensor<512x64xf32> from "blk.{}.up"
lathe.weights @bias : 2 x tensor<512xf32> from "blk.{}.bias"
lathe.weights @down : [0] x tensor<64x512x!lathe.q8_0> from "blk.{}.down"
lathe.weights @down.q6_k : [1] x tensor<64x512x!lathe.q6_k> from "blk.{}.down"
func.func @plain(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows select [0, 1] : tensor<?x64xf32> {
    %wu = lathe.weight @up[%i] : tensor<512x64xf32>
    %b = lathe.weight @bias[%i] : tensor<512xf32>
    %wd = lathe.weight @down[%i] : tensor<64x512x!lathe.q8_0>
    %u = lathe.linear %h, %wu : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
    %v = lathe.bias %u, %b : tensor<?x512xf32>, tensor<512xf32>
    %s = lathe.gelu_tanh %v : tensor<?x512xf32>
    %q = lathe.quantize %s : tensor<?x512xf32> -> tensor<?x512x!lathe.q8_act>
    %d = lathe.linear %q, %wd : tensor<?x512x!lathe.q8_act>, tensor<64x512x!lathe.q8_0> -> tensor<?x64xf32>
    lathe.yield %d : tensor<?x64xf32>
  }, {
    %wu = lathe.weight @up[%i] : tensor<512x64xf32>
    %wd = lathe.weight @down.q6_k[%i] : tensor<64x512x!lathe.q6_k>
    %u = lathe.linear %h, %wu : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
    %s = lathe.gelu_tanh %u : tensor<?x512xf32>
    %q = lathe.quantize %s : tensor<?x512xf32> -> tensor<?x512x!lathe.q8_act>
    %d = lathe.linear %q, %wd : tensor<?x512x!lathe.q8_act>, tensor<64x512x!lathe.q6_k> -> tensor<?x64xf32>
    lathe.yield %d : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// Neurons that somebody else reads, that come from whole rows, or that are of one step alone,
// stay; the one MLP that there is gets its width.
// CHECK-LABEL: func.func @others(
// CHECK:     %[[W:.*]] = lathe.width %{{.*}}[%{{.*}}] of 64 by 32{{$}}
// CHECK-NOT: lathe.width
// CHECK:     lathe.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x64xf32>, tensor<96x64xf32>
// CHECK:     lathe.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x96xf32>, tensor<96x96xf32>
// CHECK:     lathe.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x96xf32>, tensor<32x96xf32>
// CHECK:     lathe.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x32xf32>, tensor<64x32xf32>
// CHECK:     lathe.linear %{{.*}} to %[[W]] :
// CHECK:     lathe.linear %{{.*}} of %[[W]] :
func.func @others(%x: tensor<?x64xf32>, %rows: !lathe.rows, %a: tensor<96x64xf32>, %b: tensor<96x96xf32>, %c: tensor<32x96xf32>, %d: tensor<64x32xf32>, %e: tensor<64x64xf32>, %n: tensor<96xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    %1 = lathe.linear %h, %a : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %2 = lathe.linear %1, %b : tensor<?x96xf32>, tensor<96x96xf32> -> tensor<?x96xf32>
    %3 = lathe.add %1, %2 : tensor<?x96xf32>
    %4 = lathe.rms_norm %3, %n {eps = 1.0e-05 : f32} : tensor<?x96xf32>, tensor<96xf32>
    %5 = lathe.linear %4, %c : tensor<?x96xf32>, tensor<32x96xf32> -> tensor<?x32xf32>
    %6 = lathe.linear %5, %d : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
    %7 = lathe.add %h, %6 : tensor<?x64xf32>
    %8 = lathe.linear %7, %e : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %9 = lathe.linear %8, %e : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %10 = lathe.add %7, %9 : tensor<?x64xf32>
    lathe.yield %10 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
