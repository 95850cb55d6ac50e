// The model of exits.mlir as it is without exits.
module attributes {lathe.model = {architecture = "tiny", context = 256 : i64, embedding = 64 : i64, layers = 3 : i64, vocabulary = 96 : i64}} {
  lathe.weights @embed : tensor<96x64xf32> from "embed"
  lathe.weights @qkv : 3 x tensor<64x64xf32> from "blk.{}.qkv"
  func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<3 x 2 x 32 x f16>) -> (tensor<?x96xf32>, !lathe.kv<3 x 2 x 32 x f16>) {
    %e = lathe.weight @embed : tensor<96x64xf32>
    %x = lathe.embed %rows, %e : tensor<96x64xf32> -> tensor<?x64xf32>
    %y, %c1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows : tensor<?x64xf32>, !lathe.kv<3 x 2 x 32 x f16> {
      %w = lathe.weight @qkv[%i] : tensor<64x64xf32>
      %q = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %qh = lathe.split_heads %q : tensor<?x64xf32> -> tensor<?x2x32xf32>
      %c2 = lathe.kv_append %c[%i], %qh, %qh at %rows : !lathe.kv<3 x 2 x 32 x f16>, tensor<?x2x32xf32>
      %a = lathe.attention %qh, %c2[%i] at %rows {scale = 0.125 : f32} : tensor<?x2x32xf32>, !lathe.kv<3 x 2 x 32 x f16>
      %m = lathe.merge_heads %a : tensor<?x2x32xf32> -> tensor<?x64xf32>
      %r = lathe.add %h, %m : tensor<?x64xf32>
      lathe.yield %r, %c2 : tensor<?x64xf32>, !lathe.kv<3 x 2 x 32 x f16>
    }
    %s = lathe.select_logits %y, %rows : tensor<?x64xf32>
    %l = lathe.linear %s, %e : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    return %l, %c1 : tensor<?x96xf32>, !lathe.kv<3 x 2 x 32 x f16>
  }
}
