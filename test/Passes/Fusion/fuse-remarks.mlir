// Every op is told where it went, or why it was not fused.
// RUN: lathe-opt %s --lathe-fuse=remarks --verify-diagnostics -o %t

lathe.weights @norm : tensor<64xf32> from "n"
lathe.weights @embd : tensor<40x64xf32> from "e"
lathe.weights @blk.gate : tensor<64x64xf32> from "g"
lathe.weights @blk.up : tensor<64x64xf32> from "u"

func.func @fused(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wg = lathe.weight @blk.gate : tensor<64x64xf32>
  %wu = lathe.weight @blk.up : tensor<64x64xf32>
  // expected-remark@+1 {{fused into group "gate+up"}}
  %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // expected-remark@+1 {{fused into group "gate+up"}}
  %g = lathe.linear %n, %wg : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "gate+up"}}
  %u = lathe.linear %n, %wu : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "gate+up"}}
  %m = lathe.mul %g, %u : tensor<?x64xf32>
  return %m : tensor<?x64xf32>
}

func.func @rows(%rows: !lathe.rows, %x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %we = lathe.weight @embd : tensor<40x64xf32>
  %w = lathe.weight @norm : tensor<64xf32>
  %wg = lathe.weight @blk.gate : tensor<64x64xf32>
  // expected-remark@+1 {{not fused because its results are not for one contraction alone}}
  %e = lathe.embed %rows, %we : tensor<40x64xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "gate"}}
  %n = lathe.rms_norm %e, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // expected-remark@+1 {{fused into group "gate"}}
  %g = lathe.linear %n, %wg : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{not fused because its rows are not those of the group}}
  %b = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // expected-remark@+1 {{fused into group "up"}}
  %s = lathe.select_logits %b, %rows : tensor<?x64xf32>
  %wu = lathe.weight @blk.up : tensor<64x64xf32>
  // expected-remark@+1 {{fused into group "up"}}
  %u = lathe.linear %s, %wu : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "up"}}
  %y = lathe.add %u, %s : tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "gate"}}
  %z = lathe.add %g, %e : tensor<?x64xf32>
  return %y, %z, %e : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

func.func @elementwise(%x: tensor<?x64xf32>, %q: tensor<?x2x32xf32>, %kv: !lathe.kv<1 x 1 x 32 x f32>, %rows: !lathe.rows)
    -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %i = arith.constant 0 : index
  %w = lathe.weight @norm : tensor<64xf32>
  %wg = lathe.weight @blk.gate : tensor<64x64xf32>
  // expected-remark@+1 {{not fused because no operand comes from a contraction}}
  %s = lathe.silu %x : tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "attention"}}
  %a = lathe.attention %q, %kv[%i] at %rows {scale = 0.125 : f32} : tensor<?x2x32xf32>, !lathe.kv<1 x 1 x 32 x f32>
  // expected-remark@+1 {{fused into group "attention"}}
  %m = lathe.merge_heads %a : tensor<?x2x32xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{not fused because attention is a group of its own}}
  %t = lathe.add %m, %s : tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "gate"}}
  %g = lathe.linear %x, %wg : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{not fused because its results are not for one contraction alone}}
  %n = lathe.rms_norm %g, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // expected-remark@+1 {{not fused because an operand needs whole rows of the same group}}
  %c = lathe.add %n, %g : tensor<?x64xf32>
  return %t, %c : tensor<?x64xf32>, tensor<?x64xf32>
}

// A norm of a contraction's own result cannot run ahead of a sibling of that contraction.
func.func @needs_own_group(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wg = lathe.weight @blk.gate : tensor<64x64xf32>
  %wu = lathe.weight @blk.up : tensor<64x64xf32>
  // expected-remark@+1 {{fused into group "gate"}}
  %g = lathe.linear %x, %wg : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // expected-remark@+1 {{fused into group "up"}}
  %n = lathe.rms_norm %g, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // expected-remark@+1 {{fused into group "up"}}
  %u = lathe.linear %n, %wu : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %u : tensor<?x64xf32>
}
