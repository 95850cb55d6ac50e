// A model with two stacks of different height.
module attributes {lathe.model = {architecture = "tiny", context = 64 : i64, embedding = 64 : i64, layers = 3 : i64, vocabulary = 64 : i64}} {
  lathe.weights @w : tensor<64x64xf32> from "w"
  func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 64 x f32>) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
    %w = lathe.weight @w : tensor<64x64xf32>
    %x = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    %y = lathe.layers %i = 0 to 3 (%h = %x) at %rows : tensor<?x64xf32> {
      %0 = lathe.silu %h : tensor<?x64xf32>
      lathe.yield %0 : tensor<?x64xf32>
    }
    %z = lathe.layers %i = 0 to 2 (%h = %y) : tensor<?x64xf32> {
      %0 = lathe.silu %h : tensor<?x64xf32>
      lathe.yield %0 : tensor<?x64xf32>
    }
    %s = lathe.select_logits %z, %rows : tensor<?x64xf32>
    %l = lathe.linear %s, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    return %l, %kv : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
}
