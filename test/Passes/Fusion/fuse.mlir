// RUN: lathe-opt %s --lathe-fuse --canonicalize --split-input-file | FileCheck %s
// RUN: lathe-opt %s --lathe-fuse --lathe-fuse --canonicalize --split-input-file | FileCheck %s

// What lathe-fuse does, one function per rule.  Running it twice changes nothing.

lathe.weights @norm : tensor<64xf32> from "norm"
lathe.weights @wq : tensor<64x64xf32> from "q"

// A norm that one contraction needs becomes its prologue; weights stay outside, as references.
// CHECK-LABEL: func.func @prologue
// CHECK:         %[[G:.*]] = lathe.group "wq" -> tensor<?x64xf32> {
// CHECK-NEXT:      %[[N:.*]] = lathe.rms_norm %arg0
// CHECK-NEXT:      %[[Q:.*]] = lathe.linear %[[N]]
// CHECK-NEXT:      lathe.yield %[[Q]]
// CHECK-NEXT:    }
// CHECK-NEXT:    return %[[G]]
func.func @prologue(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wq = lathe.weight @wq : tensor<64x64xf32>
  %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %q = lathe.linear %n, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %q : tensor<?x64xf32>
}

// A chain of row-wise ops goes in as a whole.
// CHECK-LABEL: func.func @prologue_chain
// CHECK:         lathe.group "wq"
// CHECK-NEXT:      lathe.select_logits
// CHECK-NEXT:      lathe.rms_norm
// CHECK-NEXT:      lathe.quantize
// CHECK-NEXT:      lathe.linear
// CHECK-NEXT:      lathe.yield
func.func @prologue_chain(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wq = lathe.weight @wq : tensor<64x64xf32>
  %s = lathe.select_logits %x, %rows : tensor<?x64xf32>
  %n = lathe.rms_norm %s, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %b = lathe.quantize %n : tensor<?x64xf32> -> tensor<?x64xbf16>
  %q = lathe.linear %b, %wq : tensor<?x64xbf16>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %q : tensor<?x64xf32>
}

// -----

lathe.weights @blk.attn_norm : 2 x tensor<64xf32> from "blk.{}.n"
lathe.weights @blk.attn_q : 2 x tensor<64x64xf32> from "blk.{}.q"
lathe.weights @blk.attn_k : 2 x tensor<32x64xf32> from "blk.{}.k"
lathe.weights @blk.attn_v : 2 x tensor<32x64xf32> from "blk.{}.v"
lathe.weights @blk.attn_output : 2 x tensor<64x64xf32> from "blk.{}.o"

// q, k and v read the same rows: one group with one norm.  Rotary embedding and the cache write are
// its epilogue; attention is a group of its own, with the view of its result; the residual is the
// epilogue of the output projection.
// CHECK-LABEL: func.func @attention_block
// CHECK:         lathe.layers
// CHECK:           %[[QKV:.*]]:2 = lathe.group "attn_q+attn_k+attn_v" -> tensor<?x2x32xf32>, !lathe.kv<2 x 1 x 32 x f32> {
// CHECK:             lathe.rms_norm
// CHECK-COUNT-3:     lathe.linear
// CHECK-COUNT-2:     lathe.rope
// CHECK:             lathe.kv_append
// CHECK-NEXT:        lathe.yield
// CHECK-NEXT:      }
// CHECK:           %[[A:.*]] = lathe.group "attention" -> tensor<?x64xf32> {
// CHECK-NEXT:        lathe.attention %[[QKV]]#0, %[[QKV]]#1[
// CHECK-NEXT:        lathe.merge_heads
// CHECK-NEXT:        lathe.yield
// CHECK-NEXT:      }
// CHECK:           %[[O:.*]] = lathe.group "attn_output" -> tensor<?x64xf32> {
// CHECK-NEXT:        lathe.linear %[[A]]
// CHECK-NEXT:        lathe.add
// CHECK-NEXT:        lathe.yield
// CHECK-NEXT:      }
// CHECK-NEXT:      lathe.yield %[[O]], %[[QKV]]#1
func.func @attention_block(%x: tensor<?x64xf32>, %kv: !lathe.kv<2 x 1 x 32 x f32>, %t: tensor<?x16x2xf32>, %rows: !lathe.rows)
    -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %y, %c = lathe.layers %i = 0 to 2 (%h = %x, %c0 = %kv) : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32> {
    %wn = lathe.weight @blk.attn_norm[%i] : tensor<64xf32>
    %wq = lathe.weight @blk.attn_q[%i] : tensor<64x64xf32>
    %wk = lathe.weight @blk.attn_k[%i] : tensor<32x64xf32>
    %wv = lathe.weight @blk.attn_v[%i] : tensor<32x64xf32>
    %wo = lathe.weight @blk.attn_output[%i] : tensor<64x64xf32>
    %n = lathe.rms_norm %h, %wn {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %q = lathe.linear %n, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %k = lathe.linear %n, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
    %v = lathe.linear %n, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
    %qh = lathe.split_heads %q : tensor<?x64xf32> -> tensor<?x2x32xf32>
    %kh = lathe.split_heads %k : tensor<?x32xf32> -> tensor<?x1x32xf32>
    %vh = lathe.split_heads %v : tensor<?x32xf32> -> tensor<?x1x32xf32>
    %qr = lathe.rope %qh, %t interleaved : tensor<?x2x32xf32>, tensor<?x16x2xf32>
    %kr = lathe.rope %kh, %t interleaved : tensor<?x1x32xf32>, tensor<?x16x2xf32>
    %c1 = lathe.kv_append %c0[%i], %kr, %vh at %rows : !lathe.kv<2 x 1 x 32 x f32>, tensor<?x1x32xf32>
    %a = lathe.attention %qr, %c1[%i] at %rows {scale = 0.125 : f32} : tensor<?x2x32xf32>, !lathe.kv<2 x 1 x 32 x f32>
    %m = lathe.merge_heads %a : tensor<?x2x32xf32> -> tensor<?x64xf32>
    %o = lathe.linear %m, %wo : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.add %h, %o : tensor<?x64xf32>
    lathe.yield %s, %c1 : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
  }
  return %y, %c : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
}

// -----

lathe.weights @norm : tensor<64xf32> from "norm"
lathe.weights @head_norm : tensor<32xf32> from "h"
lathe.weights @wa : tensor<64x64xf32> from "a"
lathe.weights @wb : tensor<64x64xf32> from "b"

// The norm of a head needs no more than the head: it stays behind the contraction, ahead of the
// rotation.
// CHECK-LABEL: func.func @norm_of_heads
// CHECK:         lathe.group "wa" -> tensor<?x2x32xf32> {
// CHECK-NEXT:      lathe.linear
// CHECK-NEXT:      lathe.split_heads
// CHECK-NEXT:      lathe.rms_norm
// CHECK-NEXT:      lathe.rope
// CHECK-NEXT:      lathe.yield
func.func @norm_of_heads(%x: tensor<?x64xf32>, %t: tensor<?x16x2xf32>) -> tensor<?x2x32xf32> {
  %w = lathe.weight @head_norm : tensor<32xf32>
  %wa = lathe.weight @wa : tensor<64x64xf32>
  %a = lathe.linear %x, %wa : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %h = lathe.split_heads %a : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %n = lathe.rms_norm %h, %w {eps = 1.0e-06 : f32} : tensor<?x2x32xf32>, tensor<32xf32>
  %r = lathe.rope %n, %t half : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  return %r : tensor<?x2x32xf32>
}

// A norm between a contraction and the residual needs whole rows: the two are a group of their own,
// and the next norm goes on into the next contraction.
// CHECK-LABEL: func.func @sandwich
// CHECK:         %[[A:.*]] = lathe.group "wa" -> tensor<?x64xf32> {
// CHECK-NEXT:      lathe.linear
// CHECK-NEXT:      lathe.yield
// CHECK:         %[[S:.*]] = lathe.group "rms_norm+add" -> tensor<?x64xf32> {
// CHECK-NEXT:      %[[N:.*]] = lathe.rms_norm %[[A]]
// CHECK-NEXT:      lathe.add %arg0, %[[N]]
// CHECK-NEXT:      lathe.yield
// CHECK:         lathe.group "wb" -> tensor<?x64xf32> {
// CHECK-NEXT:      lathe.rms_norm %[[S]]
// CHECK-NEXT:      lathe.linear
// CHECK-NEXT:      lathe.add %[[S]]
func.func @sandwich(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wa = lathe.weight @wa : tensor<64x64xf32>
  %wb = lathe.weight @wb : tensor<64x64xf32>
  %a = lathe.linear %x, %wa : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %n = lathe.rms_norm %a, %w {eps = 1.0e-06 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %s = lathe.add %x, %n : tensor<?x64xf32>
  %m = lathe.rms_norm %s, %w {eps = 1.0e-06 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %b = lathe.linear %m, %wb : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %r = lathe.add %s, %b : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// -----

lathe.weights @blk.ffn_gate : tensor<96x64xf32> from "g"
lathe.weights @blk.ffn_up : tensor<96x64xf32> from "u"
lathe.weights @bias : tensor<96xf32> from "b"

// gate and up with bias, activation and product: one group, and only the product leaves it.
// CHECK-LABEL: func.func @gated
// CHECK:         lathe.group "ffn_gate+ffn_up" -> tensor<?x96xf32> {
// CHECK:           lathe.linear
// CHECK:           lathe.bias
// CHECK:           lathe.linear
// CHECK:           lathe.silu
// CHECK:           %[[M:.*]] = lathe.mul
// CHECK-NEXT:      lathe.yield %[[M]] : tensor<?x96xf32>
func.func @gated(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %wg = lathe.weight @blk.ffn_gate : tensor<96x64xf32>
  %wu = lathe.weight @blk.ffn_up : tensor<96x64xf32>
  %wb = lathe.weight @bias : tensor<96xf32>
  %g0 = lathe.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %g = lathe.bias %g0, %wb : tensor<?x96xf32>, tensor<96xf32>
  %u = lathe.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %s = lathe.silu %g : tensor<?x96xf32>
  %m = lathe.mul %s, %u : tensor<?x96xf32>
  return %m : tensor<?x96xf32>
}

// An op on the results of two groups joins the later one.
// CHECK-LABEL: func.func @later_group
// CHECK:         %[[A:.*]] = lathe.group "ffn_gate"
// CHECK-NEXT:      lathe.linear
// CHECK-NEXT:      lathe.yield
// CHECK:         lathe.group "ffn_up"
// CHECK-NEXT:      %[[B:.*]] = lathe.linear
// CHECK-NEXT:      lathe.add %[[A]], %[[B]]
func.func @later_group(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %wg = lathe.weight @blk.ffn_gate : tensor<96x64xf32>
  %wu = lathe.weight @blk.ffn_up : tensor<96x64xf32>
  %a = lathe.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %b = lathe.linear %y, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %s = lathe.add %a, %b : tensor<?x96xf32>
  return %s : tensor<?x96xf32>
}

// What is needed both inside and outside is computed inside and yielded too.
// CHECK-LABEL: func.func @two_results
// CHECK:         %[[G:.*]]:2 = lathe.group "ffn_gate" -> tensor<?x96xf32>, tensor<?x96xf32>
// CHECK-NEXT:      %[[A:.*]] = lathe.linear
// CHECK-NEXT:      %[[S:.*]] = lathe.silu %[[A]]
// CHECK-NEXT:      lathe.yield %[[A]], %[[S]]
// CHECK:         return %[[G]]#0, %[[G]]#1
func.func @two_results(%x: tensor<?x64xf32>) -> (tensor<?x96xf32>, tensor<?x96xf32>) {
  %wg = lathe.weight @blk.ffn_gate : tensor<96x64xf32>
  %a = lathe.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %s = lathe.silu %a : tensor<?x96xf32>
  return %a, %s : tensor<?x96xf32>, tensor<?x96xf32>
}

// -----

lathe.weights @embd : tensor<40x64xf32> from "e"

// Row-wise ops that are left over share a group, and so do elementwise ones.
// CHECK-LABEL: func.func @leftovers
// CHECK:         lathe.group "embed+rope_table" -> tensor<?x64xf32>, tensor<?x16x2xf32>
// CHECK:         lathe.group "silu+add" -> tensor<?x64xf32>
// CHECK-NEXT:      lathe.silu
// CHECK-NEXT:      lathe.add
func.func @leftovers(%rows: !lathe.rows, %x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x16x2xf32>, tensor<?x64xf32>) {
  %w = lathe.weight @embd : tensor<40x64xf32>
  %e = lathe.embed %rows, %w : tensor<40x64xf32> -> tensor<?x64xf32>
  %t = lathe.rope_table %rows {base = 1.0e+04 : f64} : tensor<?x16x2xf32>
  %s = lathe.silu %x : tensor<?x64xf32>
  %a = lathe.add %s, %x : tensor<?x64xf32>
  return %e, %t, %a : tensor<?x64xf32>, tensor<?x16x2xf32>, tensor<?x64xf32>
}

// Other dialects' ops stay where they are; a module without work of ours is not touched.
// CHECK-LABEL: func.func @foreign
// CHECK-NOT:     lathe.group
// CHECK:         math.absf
func.func @foreign(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = math.absf %x : tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
