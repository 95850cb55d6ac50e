// Every pass keeps what an encoder computes, and its kernels give it, with any number of workers.
// RUN: lathe compile %s --verify-each-pass --precision f32 -o %t.so
// RUN: lathe compile %s --verify-each-pass --precision bf16 -o %t.so
// RUN: lathe compile %s --verify-each-pass --precision mixed -o %t.so
module attributes {lathe.model = {architecture = "bert", context = 80 : i64, embedding = 72 : i64, layers = 2 : i64, vocabulary = 40 : i64}} {
  lathe.weights @words : tensor<40x72xf32> from "words"
  lathe.weights @positions : tensor<80x72xf32> from "positions"
  lathe.weights @segments : tensor<2x72xf32> from "segments"
  lathe.weights @norm : tensor<72xf32> from "norm"
  lathe.weights @bias : tensor<72xf32> from "bias"
  lathe.weights @blk.q : 2 x tensor<72x72xf32> from "{}.q"
  lathe.weights @blk.k : 2 x tensor<72x72xf32> from "{}.k"
  lathe.weights @blk.v : 2 x tensor<72x72xf32> from "{}.v"
  lathe.weights @blk.o : 2 x tensor<72x72xf32> from "{}.o"
  lathe.weights @blk.up : 2 x tensor<136x72xf32> from "{}.up"
  lathe.weights @blk.down : 2 x tensor<72x136xf32> from "{}.down"
  func.func @forward(%rows: !lathe.rows) -> tensor<?x72xf32> {
    %words = lathe.weight @words : tensor<40x72xf32>
    %positions = lathe.weight @positions : tensor<80x72xf32>
    %segments = lathe.weight @segments : tensor<2x72xf32>
    %norm = lathe.weight @norm : tensor<72xf32>
    %bias = lathe.weight @bias : tensor<72xf32>
    %0 = lathe.embed %rows, %words : tensor<40x72xf32> -> tensor<?x72xf32>
    %1 = lathe.embed_position %rows, %positions : tensor<80x72xf32> -> tensor<?x72xf32>
    %2 = lathe.embed_segment %rows, %segments : tensor<2x72xf32> -> tensor<?x72xf32>
    %3 = lathe.add %0, %1 : tensor<?x72xf32>
    %4 = lathe.add %3, %2 : tensor<?x72xf32>
    %5 = lathe.layer_norm %4, %norm, %bias {eps = 1.0e-12 : f32} : tensor<?x72xf32>, tensor<72xf32>
    %6 = lathe.layers %i = 0 to 2 (%x = %5) : tensor<?x72xf32> {
      %wq = lathe.weight @blk.q[%i] : tensor<72x72xf32>
      %wk = lathe.weight @blk.k[%i] : tensor<72x72xf32>
      %wv = lathe.weight @blk.v[%i] : tensor<72x72xf32>
      %wo = lathe.weight @blk.o[%i] : tensor<72x72xf32>
      %up = lathe.weight @blk.up[%i] : tensor<136x72xf32>
      %down = lathe.weight @blk.down[%i] : tensor<72x136xf32>
      %q = lathe.linear %x, %wq : tensor<?x72xf32>, tensor<72x72xf32> -> tensor<?x72xf32>
      %qb = lathe.bias %q, %bias : tensor<?x72xf32>, tensor<72xf32>
      %k = lathe.linear %x, %wk : tensor<?x72xf32>, tensor<72x72xf32> -> tensor<?x72xf32>
      %v = lathe.linear %x, %wv : tensor<?x72xf32>, tensor<72x72xf32> -> tensor<?x72xf32>
      %a = lathe.self_attention %qb, %k, %v at %rows {heads = 3, scale = 0.2 : f32} : tensor<?x72xf32>
      %o = lathe.linear %a, %wo : tensor<?x72xf32>, tensor<72x72xf32> -> tensor<?x72xf32>
      %s = lathe.add %x, %o : tensor<?x72xf32>
      %n = lathe.layer_norm %s, %norm, %bias {eps = 1.0e-12 : f32} : tensor<?x72xf32>, tensor<72xf32>
      %u = lathe.linear %n, %up : tensor<?x72xf32>, tensor<136x72xf32> -> tensor<?x136xf32>
      %g = lathe.gelu %u : tensor<?x136xf32>
      %d = lathe.linear %g, %down : tensor<?x136xf32>, tensor<72x136xf32> -> tensor<?x72xf32>
      %t = lathe.add %n, %d : tensor<?x72xf32>
      %y = lathe.layer_norm %t, %norm, %bias {eps = 1.0e-12 : f32} : tensor<?x72xf32>, tensor<72xf32>
      lathe.yield %y : tensor<?x72xf32>
    }
    %7 = lathe.pool %6, %rows : tensor<?x72xf32>
    return %7 : tensor<?x72xf32>
  }
}
