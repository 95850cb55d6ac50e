// A head that may leave results out is one in programs of a few rows; many rows have all computed.
// RUN: lathe-opt %s --lathe-schedule="verify-rows=4 prefill-rows=16" | FileCheck %s --check-prefixes=CHECK,FEW
// RUN: lathe-opt %s --lathe-schedule="verify-rows=4 prefill-rows=16 screen-rows=3" | FileCheck %s --check-prefixes=CHECK,ONE

// CHECK-LABEL: step.program @decode max_rows = 1
// CHECK:         step.phase "head" over columns logits_rows
// CHECK:           %[[Q:.*]] = lathe.quantize
// CHECK:           %[[W:.*]] = lathe.weight @h
// CHECK:           %[[L:.*]] = lathe.head_topk %[[Q]], %[[W]] {k = 40 : i64}
// CHECK:           step.store %[[L]], %{{.*}}logits
// CHECK-LABEL: step.program @verify max_rows = 4
// FEW:             %[[L:.*]] = lathe.head_topk %{{.*}}, %{{.*}} {k = 40 : i64}
// ONE:             %[[L:.*]] = lathe.linear %{{.*}}, %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
// CHECK:           step.store %[[L]], %{{.*}}logits
// CHECK-LABEL: step.program @prefill max_rows = 16
// CHECK-NOT:     lathe.head_topk
// CHECK:         lathe.linear
lathe.weights @e : tensor<40x64xf32> from "e"
lathe.weights @h : tensor<96x64x!lathe.q8_0_planes4> from "h"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>) -> (tensor<?x96xf32>, !lathe.kv<1 x 1 x 32 x f32>) {
  %we = lathe.weight @e : tensor<40x64xf32>
  %wh = lathe.weight @h : tensor<96x64x!lathe.q8_0_planes4>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %we : tensor<40x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %l = lathe.group "head" -> tensor<?x96xf32> {
    %s = lathe.select_logits %x, %rows : tensor<?x64xf32>
    %q = lathe.quantize %s : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
    %o = lathe.head_topk %q, %wh {k = 40 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
    lathe.yield %o : tensor<?x96xf32>
  }
  return %l, %kv : tensor<?x96xf32>, !lathe.kv<1 x 1 x 32 x f32>
}
