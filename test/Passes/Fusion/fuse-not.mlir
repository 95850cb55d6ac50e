// RUN: lathe-opt %s --lathe-fuse --split-input-file | FileCheck %s

// What lathe-fuse must not do.

lathe.weights @norm : tensor<64xf32> from "norm"
lathe.weights @wa : tensor<64x64xf32> from "a"
lathe.weights @wb : tensor<64x64xf32> from "b"

// A norm with two users stays alone: inside one of them the other would have to wait for it.
// CHECK-LABEL: func.func @norm_of_two
// CHECK:         %[[N:.*]] = lathe.group "rms_norm" -> tensor<?x64xf32> {
// CHECK-NEXT:      lathe.rms_norm
// CHECK-NEXT:      lathe.yield
// CHECK:         lathe.group "wa"
// CHECK-NEXT:      %[[A:.*]] = lathe.linear %[[N]]
// CHECK:         lathe.group "wb"
// CHECK-NOT:       lathe.rms_norm
// CHECK:           lathe.linear
// CHECK-NEXT:      lathe.add %{{.*}}, %[[N]]
func.func @norm_of_two(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wa = lathe.weight @wa : tensor<64x64xf32>
  %wb = lathe.weight @wb : tensor<64x64xf32>
  %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %a = lathe.linear %n, %wa : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %b = lathe.linear %a, %wb : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %s = lathe.add %b, %n : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// The sum needs the contraction's result twice, once through a norm, which needs whole rows: inside
// the group the norm would wait for the group itself.
// CHECK-LABEL: func.func @circle
// CHECK:         %[[A:.*]] = lathe.group "wa" -> tensor<?x64xf32> {
// CHECK-NEXT:      lathe.linear
// CHECK-NEXT:      lathe.yield
// CHECK:         lathe.group "rms_norm+add"
// CHECK-NEXT:      %[[N:.*]] = lathe.rms_norm %[[A]]
// CHECK-NEXT:      lathe.add %[[N]], %[[A]]
func.func @circle(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wa = lathe.weight @wa : tensor<64x64xf32>
  %a = lathe.linear %x, %wa : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %n = lathe.rms_norm %a, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %s = lathe.add %n, %a : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// A leftover norm must not join one that stands ahead of what it needs: @wa's epilogue reads the
// first, and the second reads @wa.
// CHECK-LABEL: func.func @leftover_circle
// CHECK:         %[[N1:.*]] = lathe.group "rms_norm" -> tensor<?x64xf32> {
// CHECK:         %[[A:.*]]:2 = lathe.group "wa"
// CHECK:           lathe.add %{{.*}}, %[[N1]]
// CHECK:         lathe.group "rms_norm" -> tensor<?x64xf32> {
// CHECK-NEXT:      lathe.rms_norm %[[A]]#0
func.func @leftover_circle(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %w = lathe.weight @norm : tensor<64xf32>
  %wa = lathe.weight @wa : tensor<64x64xf32>
  %a = lathe.linear %x, %wa : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %n1 = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %e = lathe.add %a, %n1 : tensor<?x64xf32>
  %n2 = lathe.rms_norm %a, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  return %e, %n1, %n2 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// The activation of an attention's result is no part of the attention.
// CHECK-LABEL: func.func @behind_attention
// CHECK:         lathe.group "attention"
// CHECK-NEXT:      lathe.attention
// CHECK-NEXT:      lathe.merge_heads
// CHECK-NEXT:      lathe.yield
// CHECK:         lathe.group "silu"
func.func @behind_attention(%q: tensor<?x2x32xf32>, %kv: !lathe.kv<1 x 1 x 32 x f32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %i = arith.constant 0 : index
  %a = lathe.attention %q, %kv[%i] at %rows {scale = 0.125 : f32} : tensor<?x2x32xf32>, !lathe.kv<1 x 1 x 32 x f32>
  %m = lathe.merge_heads %a : tensor<?x2x32xf32> -> tensor<?x64xf32>
  %s = lathe.silu %m : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// Contractions of different rows do not share a group.
// CHECK-LABEL: func.func @no_siblings
// CHECK:         lathe.group "wa"
// CHECK:         lathe.group "wb"
func.func @no_siblings(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %wa = lathe.weight @wa : tensor<64x64xf32>
  %wb = lathe.weight @wb : tensor<64x64xf32>
  %a = lathe.linear %x, %wa : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %b = lathe.linear %y, %wb : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %a, %b : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

lathe.weights @norm : tensor<64xf32> from "norm"
lathe.weights @head : tensor<40x64xf32> from "h"

// A group has the rows that want logits, or all rows: what comes before the selection is another
// group, with or without a contraction behind it.
// CHECK-LABEL: func.func @norm_before_selection
// CHECK:         %[[N:.*]] = lathe.group "rms_norm"
// CHECK:         lathe.group "head"
// CHECK-NEXT:      lathe.select_logits %[[N]]
// CHECK-NEXT:      lathe.linear
func.func @norm_before_selection(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x40xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wh = lathe.weight @head : tensor<40x64xf32>
  %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %s = lathe.select_logits %n, %rows : tensor<?x64xf32>
  %l = lathe.linear %s, %wh : tensor<?x64xf32>, tensor<40x64xf32> -> tensor<?x40xf32>
  return %l : tensor<?x40xf32>
}

// CHECK-LABEL: func.func @rows_and_selected_rows
// CHECK:         %[[N:.*]] = lathe.group "rms_norm"
// CHECK:         %[[S:.*]] = lathe.group "select_logits+rms_norm"
// CHECK-NEXT:      lathe.select_logits %[[N]]
// CHECK-NEXT:      lathe.rms_norm
// CHECK:         lathe.group "rms_norm"
// CHECK-NEXT:      lathe.rms_norm %arg0
func.func @rows_and_selected_rows(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %w = lathe.weight @norm : tensor<64xf32>
  %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %s = lathe.select_logits %n, %rows : tensor<?x64xf32>
  %m = lathe.rms_norm %s, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %k = lathe.rms_norm %x, %w {eps = 2.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  return %m, %k : tensor<?x64xf32>, tensor<?x64xf32>
}
