// RUN: lathe-opt %s --lathe-lower-precision=policy=mixed | FileCheck %s --check-prefixes=CHECK,MIXED
// RUN: lathe-opt %s --lathe-lower-precision=encoders=mixed | FileCheck %s --check-prefixes=CHECK,MIXED
// RUN: lathe-opt %s --lathe-lower-precision=policy=int16 | FileCheck %s --check-prefixes=CHECK,INT16
// RUN: lathe-opt %s --lathe-lower-precision=policy=f32 | FileCheck %s --check-prefix=F32

// A policy that was asked for is not what encoders have where none was.
// RUN: lathe-opt %s "--lathe-lower-precision=policy=f32 encoders=mixed" | FileCheck %s --check-prefix=F32
// RUN: lathe-opt %s --lathe-lower-precision | FileCheck %s --check-prefix=F32

// Running it twice is running it once.
// RUN: lathe-opt %s --lathe-lower-precision=policy=mixed > %t.once
// RUN: lathe-opt %s --lathe-lower-precision=policy=mixed --lathe-lower-precision=policy=mixed | diff %t.once -

// Queries and keys, what attention mixed and what an activation function gave bear int8; values and
// what a norm gave do not.  A matrix with both kinds of products has one packing, and one of a width that
// is no multiple of 4 comes in pairs at most.
// MIXED: lathe.weights @q : tensor<64x64x!lathe.i8_f32> from "q"
// MIXED: lathe.weights @k : tensor<64x64x!lathe.i8_f16> from "k"
// CHECK: lathe.weights @v : tensor<64x64x!lathe.i16_f32> from "v"
// MIXED: lathe.weights @o : tensor<64x64x!lathe.i8_bf16> from "o"
// CHECK: lathe.weights @up : tensor<66x64x!lathe.i16_f32> from "up"
// CHECK: lathe.weights @odd : tensor<64x66x!lathe.i16_f32> from "odd"
// CHECK: lathe.weights @twice : tensor<64x64x!lathe.i16_f32> from "twice"
// CHECK: lathe.weights @table : tensor<32x64xf32> from "table"
// INT16-NOT: lathe.i8
// F32-NOT: lathe.i{{8|16}}
lathe.weights @q : tensor<64x64xf32> from "q"
lathe.weights @k : tensor<64x64xf16> from "k"
lathe.weights @v : tensor<64x64xf32> from "v"
lathe.weights @o : tensor<64x64xbf16> from "o"
lathe.weights @up : tensor<66x64xf32> from "up"
lathe.weights @odd : tensor<64x66xf32> from "odd"
lathe.weights @twice : tensor<64x64xf32> from "twice"
lathe.weights @table : tensor<32x64xf32> from "table"
lathe.weights @bias : tensor<64xf32> from "bias"

// CHECK-LABEL: func.func @forward
// Rows are rounded once for each kind of product.
// CHECK:       lathe.group "qkv"
// MIXED-NEXT:    %[[B:.*]] = lathe.quantize %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!lathe.u8_act>
// MIXED-NEXT:    lathe.linear %[[B]], %{{.*}} : tensor<?x64x!lathe.u8_act>, tensor<64x64x!lathe.i8_f32>
// MIXED-NEXT:    lathe.bias
// MIXED-NEXT:    lathe.linear %[[B]], %{{.*}} : tensor<?x64x!lathe.u8_act>, tensor<64x64x!lathe.i8_f16>
// MIXED-NEXT:    %[[W:.*]] = lathe.quantize %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!lathe.q16_act>
// MIXED-NEXT:    lathe.linear %[[W]], %{{.*}} : tensor<?x64x!lathe.q16_act>, tensor<64x64x!lathe.i16_f32>
// CHECK:       lathe.self_attention
// MIXED:       lathe.quantize %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!lathe.u8_act>
// MIXED-NEXT:  lathe.linear %{{.*}} : tensor<?x64x!lathe.u8_act>, tensor<64x64x!lathe.i8_bf16>
func.func @forward(%rows: !lathe.rows) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %table = lathe.weight @table : tensor<32x64xf32>
  %bias = lathe.weight @bias : tensor<64xf32>
  %wq = lathe.weight @q : tensor<64x64xf32>
  %wk = lathe.weight @k : tensor<64x64xf16>
  %wv = lathe.weight @v : tensor<64x64xf32>
  %wo = lathe.weight @o : tensor<64x64xbf16>
  %wu = lathe.weight @up : tensor<66x64xf32>
  %wd = lathe.weight @odd : tensor<64x66xf32>
  %wt = lathe.weight @twice : tensor<64x64xf32>
  %e = lathe.embed %rows, %table : tensor<32x64xf32> -> tensor<?x64xf32>
  %x = lathe.layer_norm %e, %bias, %bias {eps = 1.0e-12 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %q:3 = lathe.group "qkv" -> tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> {
    %0 = lathe.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %1 = lathe.bias %0, %bias : tensor<?x64xf32>, tensor<64xf32>
    %2 = lathe.linear %x, %wk : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
    %3 = lathe.linear %x, %wv : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %1, %2, %3 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
  }
  %a = lathe.group "attention" -> tensor<?x64xf32> {
    %4 = lathe.self_attention %q#0, %q#1, %q#2 at %rows {heads = 2, scale = 0.2 : f32} : tensor<?x64xf32>
    lathe.yield %4 : tensor<?x64xf32>
  }
  %o = lathe.linear %a, %wo : tensor<?x64xf32>, tensor<64x64xbf16> -> tensor<?x64xf32>
  %u = lathe.linear %x, %wu : tensor<?x64xf32>, tensor<66x64xf32> -> tensor<?x66xf32>
  %g = lathe.gelu %u : tensor<?x66xf32>
  %d = lathe.linear %g, %wd : tensor<?x66xf32>, tensor<64x66xf32> -> tensor<?x64xf32>
  %t = lathe.linear %a, %wt : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %s = lathe.linear %x, %wt : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %y = lathe.add %o, %d : tensor<?x64xf32>
  %z = lathe.add %t, %s : tensor<?x64xf32>
  return %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
}
