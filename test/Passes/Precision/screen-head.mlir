// The output head becomes one that steps may skip most of, and its weight is packed in planes.
// RUN: lathe-opt %s --split-input-file --lathe-screen-head=least-rows=64 | FileCheck %s
// RUN: lathe-opt %s --split-input-file --lathe-screen-head="least-rows=64 remarks" 2>&1 >/dev/null | FileCheck %s --check-prefix=WHY
// RUN: lathe-opt %s --split-input-file --lathe-screen-head="least-rows=64 four-bit-share=2" | FileCheck %s --check-prefix=FIVE

// Running it twice is running it once.
// RUN: lathe-opt %s --split-input-file --lathe-screen-head=least-rows=64 > %t.once
// RUN: lathe-opt %t.once --split-input-file --lathe-screen-head=least-rows=64 | diff %t.once -

// A tied embedding: the weight has one type in all uses.  It is all of what a step reads, so the
// front has four bits.
// CHECK:       lathe.weights @e : tensor<96x64x!lathe.q8_0_planes4> from "e"
// CHECK:       lathe.embed %{{.*}}, %{{.*}} : tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x64xf32>
// CHECK:       lathe.head_topk %{{.*}}, %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
// CHECK-NOT:   lathe.linear
// FIVE:        lathe.weights @e : tensor<96x64x!lathe.q8_0_planes5> from "e"
lathe.weights @e : tensor<96x64x!lathe.q8_0> from "e"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>) -> (tensor<?x96xf32>, !lathe.kv<1 x 1 x 32 x f32>) {
  %w = lathe.weight @e : tensor<96x64x!lathe.q8_0>
  %x = lathe.embed %rows, %w : tensor<96x64x!lathe.q8_0> -> tensor<?x64xf32>
  %0 = lathe.group "head" -> tensor<?x96xf32> {
    %s = lathe.select_logits %x, %rows : tensor<?x64xf32>
    %q = lathe.quantize %s : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
    %l = lathe.linear %q, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
    lathe.yield %l : tensor<?x96xf32>
  }
  return %0, %kv : tensor<?x96xf32>, !lathe.kv<1 x 1 x 32 x f32>
}

// -----

// A head that is not tied: the table of embeddings stays as it is, and is not counted, as a step
// reads one row of it.  Of 64 * 64 and 96 * 64 weights the head is more than half.
// CHECK:       lathe.weights @e : tensor<96x64x!lathe.q8_0> from "e"
// CHECK:       lathe.weights @h : tensor<96x64x!lathe.q8_0_planes4> from "h"
// CHECK:       lathe.head_topk
lathe.weights @e : tensor<96x64x!lathe.q8_0> from "e"
lathe.weights @m : tensor<64x64x!lathe.q8_0> from "m"
lathe.weights @h : tensor<96x64x!lathe.q8_0> from "h"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>) -> (tensor<?x96xf32>, !lathe.kv<1 x 1 x 32 x f32>) {
  %e = lathe.weight @e : tensor<96x64x!lathe.q8_0>
  %x = lathe.embed %rows, %e : tensor<96x64x!lathe.q8_0> -> tensor<?x64xf32>
  %m = lathe.weight @m : tensor<64x64x!lathe.q8_0>
  %p = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %y = lathe.linear %p, %m : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q8_0> -> tensor<?x64xf32>
  %h = lathe.weight @h : tensor<96x64x!lathe.q8_0>
  %q = lathe.quantize %y : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %l = lathe.linear %q, %h : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return %l, %kv : tensor<?x96xf32>, !lathe.kv<1 x 1 x 32 x f32>
}

// -----

// Most of what a step reads is elsewhere.
// WHY:         remark: the head stays whole: it is too little of what a step reads
// CHECK:       lathe.weights @h3 : tensor<96x64x!lathe.q8_0>
// CHECK-NOT:   lathe.head_topk
// CHECK:       lathe.linear {{.*}} -> tensor<?x96xf32>
lathe.weights @m : tensor<1024x1024x!lathe.q8_0> from "m"
lathe.weights @h3 : tensor<96x64x!lathe.q8_0> from "h"
func.func @forward(%x: tensor<?x64xf32>, %y: tensor<?x1024xf32>) -> (tensor<?x96xf32>, tensor<?x1024xf32>) {
  %m = lathe.weight @m : tensor<1024x1024x!lathe.q8_0>
  %z = lathe.linear %y, %m : tensor<?x1024xf32>, tensor<1024x1024x!lathe.q8_0> -> tensor<?x1024xf32>
  %h = lathe.weight @h3 : tensor<96x64x!lathe.q8_0>
  %q = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %l = lathe.linear %q, %h : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return %l, %z : tensor<?x96xf32>, tensor<?x1024xf32>
}

// -----

// Another format has no planes.
// WHY:         remark: the head stays whole: its weight is not stored as q8_0
// CHECK:       lathe.weights @h4 : tensor<96x64x!lathe.q4_0>
// CHECK-NOT:   lathe.head_topk
// CHECK:       lathe.linear {{.*}} -> tensor<?x96xf32>
lathe.weights @h4 : tensor<96x64x!lathe.q4_0> from "h"
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %h = lathe.weight @h4 : tensor<96x64x!lathe.q4_0>
  %q = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %l = lathe.linear %q, %h : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q4_0> -> tensor<?x96xf32>
  return %l : tensor<?x96xf32>
}

// -----

// Rows of f32 would need another bound.
// WHY:         remark: the head stays whole: its rows are not !lathe.q8_act
// CHECK:       lathe.weights @h5 : tensor<96x64x!lathe.q8_0>
// CHECK-NOT:   lathe.head_topk
// CHECK:       lathe.linear {{.*}} -> tensor<?x96xf32>
lathe.weights @h5 : tensor<96x64x!lathe.q8_0> from "h"
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %h = lathe.weight @h5 : tensor<96x64x!lathe.q8_0>
  %l = lathe.linear %x, %h : tensor<?x64xf32>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return %l : tensor<?x96xf32>
}

// -----

// A small head, and one of few columns.
// WHY:         remark: the head stays whole: it is too small
// CHECK:       lathe.weights @h6 : tensor<32x64x!lathe.q8_0>
// CHECK-NOT:   lathe.head_topk
// CHECK:       lathe.linear {{.*}} -> tensor<?x32xf32>
lathe.weights @h6 : tensor<32x64x!lathe.q8_0> from "h"
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %h = lathe.weight @h6 : tensor<32x64x!lathe.q8_0>
  %q = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %l = lathe.linear %q, %h : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q8_0> -> tensor<?x32xf32>
  return %l : tensor<?x32xf32>
}

// -----

// WHY:         remark: the head stays whole: it is too small
// CHECK:       lathe.weights @h7 : tensor<96x32x!lathe.q8_0>
// CHECK-NOT:   lathe.head_topk
// CHECK:       lathe.linear {{.*}} -> tensor<?x96xf32>
lathe.weights @h7 : tensor<96x32x!lathe.q8_0> from "h"
func.func @forward(%x: tensor<?x32xf32>) -> tensor<?x96xf32> {
  %h = lathe.weight @h7 : tensor<96x32x!lathe.q8_0>
  %q = lathe.quantize %x : tensor<?x32xf32> -> tensor<?x32x!lathe.q8_act>
  %l = lathe.linear %q, %h : tensor<?x32x!lathe.q8_act>, tensor<96x32x!lathe.q8_0> -> tensor<?x96xf32>
  return %l : tensor<?x96xf32>
}

// -----

// Logits that something else computes with, here a soft cap made of what there is: the greatest
// products are not the greatest results.
// CHECK:       lathe.weights @h8 : tensor<96x64x!lathe.q8_0>
// CHECK-NOT:   lathe.head_topk
// CHECK:       lathe.linear {{.*}} -> tensor<?x96xf32>
lathe.weights @h8 : tensor<96x64x!lathe.q8_0> from "h"
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %h = lathe.weight @h8 : tensor<96x64x!lathe.q8_0>
  %q = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %l = lathe.linear %q, %h : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  %c = lathe.silu %l : tensor<?x96xf32>
  return %c : tensor<?x96xf32>
}

// -----

// Logits that are also something else.
// WHY:         remark: the head stays whole: it is more than the head
// CHECK:       lathe.weights @h9 : tensor<96x64x!lathe.q8_0>
// CHECK-NOT:   lathe.head_topk
// CHECK:       lathe.linear {{.*}} -> tensor<?x96xf32>
lathe.weights @h9 : tensor<96x64x!lathe.q8_0> from "h"
func.func @forward(%x: tensor<?x64xf32>) -> (tensor<?x96xf32>, tensor<?x96xf32>) {
  %h = lathe.weight @h9 : tensor<96x64x!lathe.q8_0>
  %q = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %l = lathe.linear %q, %h : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return %l, %l : tensor<?x96xf32>, tensor<?x96xf32>
}

// -----

// There is nothing to do without a @forward.
// CHECK-LABEL: func.func @backward
func.func @backward() {
  return
}
