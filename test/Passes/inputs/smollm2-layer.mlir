// SmolLM2-135M-Instruct in Q4_1 as imported, cut to one layer and 512 tokens.
module attributes {lathe.model = {architecture = "llama", context = 8192 : i64, embedding = 576 : i64, layers = 1 : i64, vocabulary = 512 : i64}, lathe.stage = "import"} {
  lathe.weights @token_embd : tensor<512x576x!lathe.q8_0> from "token_embd.weight"
  lathe.weights @output_norm : tensor<576xf32> from "output_norm.weight"
  lathe.weights @blk.attn_norm : 1 x tensor<576xf32> from "blk.{}.attn_norm.weight"
  lathe.weights @blk.attn_q : 1 x tensor<576x576x!lathe.q4_1> from "blk.{}.attn_q.weight"
  lathe.weights @blk.attn_k : 1 x tensor<192x576x!lathe.q4_1> from "blk.{}.attn_k.weight"
  lathe.weights @blk.attn_v : 1 x tensor<192x576x!lathe.q4_1> from "blk.{}.attn_v.weight"
  lathe.weights @blk.attn_output : 1 x tensor<576x576x!lathe.q4_1> from "blk.{}.attn_output.weight"
  lathe.weights @blk.ffn_norm : 1 x tensor<576xf32> from "blk.{}.ffn_norm.weight"
  lathe.weights @blk.ffn_gate : 1 x tensor<1536x576x!lathe.q4_1> from "blk.{}.ffn_gate.weight"
  lathe.weights @blk.ffn_up : 1 x tensor<1536x576x!lathe.q4_1> from "blk.{}.ffn_up.weight"
  lathe.weights @blk.ffn_down : 1 x tensor<576x1536x!lathe.q4_1> from "blk.{}.ffn_down.weight"
  func.func @forward(%arg0: !lathe.rows, %arg1: !lathe.kv<1 x 3 x 64 x f32>) -> (tensor<?x512xf32>, !lathe.kv<1 x 3 x 64 x f32>) {
    %0 = lathe.weight @token_embd : tensor<512x576x!lathe.q8_0>
    %1 = lathe.embed %arg0, %0 : tensor<512x576x!lathe.q8_0> -> tensor<?x576xf32>
    %2 = lathe.rope_table %arg0 {base = 1.000000e+05 : f64} : tensor<?x32x2xf32>
    %3:2 = lathe.layers %arg2 = 0 to 1 (%arg3 = %1, %arg4 = %arg1) : tensor<?x576xf32>, !lathe.kv<1 x 3 x 64 x f32> {
      %9 = lathe.weight @blk.attn_norm[%arg2] : tensor<576xf32>
      %10 = lathe.rms_norm %arg3, %9 {eps = 9.99999974E-6 : f32} : tensor<?x576xf32>, tensor<576xf32>
      %11 = lathe.weight @blk.attn_q[%arg2] : tensor<576x576x!lathe.q4_1>
      %12 = lathe.linear %10, %11 : tensor<?x576xf32>, tensor<576x576x!lathe.q4_1> -> tensor<?x576xf32>
      %13 = lathe.split_heads %12 : tensor<?x576xf32> -> tensor<?x9x64xf32>
      %14 = lathe.weight @blk.attn_k[%arg2] : tensor<192x576x!lathe.q4_1>
      %15 = lathe.linear %10, %14 : tensor<?x576xf32>, tensor<192x576x!lathe.q4_1> -> tensor<?x192xf32>
      %16 = lathe.split_heads %15 : tensor<?x192xf32> -> tensor<?x3x64xf32>
      %17 = lathe.weight @blk.attn_v[%arg2] : tensor<192x576x!lathe.q4_1>
      %18 = lathe.linear %10, %17 : tensor<?x576xf32>, tensor<192x576x!lathe.q4_1> -> tensor<?x192xf32>
      %19 = lathe.split_heads %18 : tensor<?x192xf32> -> tensor<?x3x64xf32>
      %20 = lathe.rope %13, %2 interleaved : tensor<?x9x64xf32>, tensor<?x32x2xf32>
      %21 = lathe.rope %16, %2 interleaved : tensor<?x3x64xf32>, tensor<?x32x2xf32>
      %22 = lathe.kv_append %arg4[%arg2], %21, %19 at %arg0 : !lathe.kv<1 x 3 x 64 x f32>, tensor<?x3x64xf32>
      %23 = lathe.attention %20, %22[%arg2] at %arg0 {scale = 1.250000e-01 : f32} : tensor<?x9x64xf32>, !lathe.kv<1 x 3 x 64 x f32>
      %24 = lathe.merge_heads %23 : tensor<?x9x64xf32> -> tensor<?x576xf32>
      %25 = lathe.weight @blk.attn_output[%arg2] : tensor<576x576x!lathe.q4_1>
      %26 = lathe.linear %24, %25 : tensor<?x576xf32>, tensor<576x576x!lathe.q4_1> -> tensor<?x576xf32>
      %27 = lathe.add %arg3, %26 : tensor<?x576xf32>
      %28 = lathe.weight @blk.ffn_norm[%arg2] : tensor<576xf32>
      %29 = lathe.rms_norm %27, %28 {eps = 9.99999974E-6 : f32} : tensor<?x576xf32>, tensor<576xf32>
      %30 = lathe.weight @blk.ffn_gate[%arg2] : tensor<1536x576x!lathe.q4_1>
      %31 = lathe.linear %29, %30 : tensor<?x576xf32>, tensor<1536x576x!lathe.q4_1> -> tensor<?x1536xf32>
      %32 = lathe.weight @blk.ffn_up[%arg2] : tensor<1536x576x!lathe.q4_1>
      %33 = lathe.linear %29, %32 : tensor<?x576xf32>, tensor<1536x576x!lathe.q4_1> -> tensor<?x1536xf32>
      %34 = lathe.silu %31 : tensor<?x1536xf32>
      %35 = lathe.mul %34, %33 : tensor<?x1536xf32>
      %36 = lathe.weight @blk.ffn_down[%arg2] : tensor<576x1536x!lathe.q4_1>
      %37 = lathe.linear %35, %36 : tensor<?x1536xf32>, tensor<576x1536x!lathe.q4_1> -> tensor<?x576xf32>
      %38 = lathe.add %27, %37 : tensor<?x576xf32>
      lathe.yield %38, %22 : tensor<?x576xf32>, !lathe.kv<1 x 3 x 64 x f32>
    }
    %4 = lathe.select_logits %3#0, %arg0 : tensor<?x576xf32>
    %5 = lathe.weight @output_norm : tensor<576xf32>
    %6 = lathe.rms_norm %4, %5 {eps = 9.99999974E-6 : f32} : tensor<?x576xf32>, tensor<576xf32>
    %7 = lathe.weight @token_embd : tensor<512x576x!lathe.q8_0>
    %8 = lathe.linear %6, %7 : tensor<?x576xf32>, tensor<512x576x!lathe.q8_0> -> tensor<?x512xf32>
    return %8, %3#1 : tensor<?x512xf32>, !lathe.kv<1 x 3 x 64 x f32>
  }
}
