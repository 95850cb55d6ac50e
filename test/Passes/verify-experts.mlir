// Every pass keeps what experts compute, and their kernels give it, with any number of workers: all
// rows with one router, experts that read the residual stream and experts of their own.
// RUN: %lathe compile %s --verify-each-pass --precision f32 -o %t.so
// RUN: %lathe compile %s --verify-each-pass --precision int8 -o %t.so
// RUN: %lathe compile %s --verify-each-pass --precision bf16 -o %t.so
module attributes {lathe.model = {architecture = "llama", context = 80 : i64, embedding = 64 : i64, layers = 2 : i64, vocabulary = 40 : i64}} {
  lathe.weights @words : tensor<40x64xf32> from "words"
  lathe.weights @norm : tensor<64xf32> from "norm"
  lathe.weights @blk.kv : 2 x tensor<32x64xf32> from "{}.kv"
  lathe.weights @blk.o : 2 x tensor<64x32x!lathe.q8_0> from "{}.o"
  lathe.weights @blk.router : 2 x tensor<5x64xf32> from "{}.router"
  lathe.weights @blk.gate : 2 x tensor<5x96x64x!lathe.q4_0> from "{}.gate"
  lathe.weights @blk.up : 2 x tensor<5x96x64x!lathe.q8_0> from "{}.up"
  lathe.weights @blk.down : 2 x tensor<5x64x96x!lathe.q5_1> from "{}.down"
  func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x40xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
    %words = lathe.weight @words : tensor<40x64xf32>
    %norm = lathe.weight @norm : tensor<64xf32>
    %0 = lathe.embed %rows, %words : tensor<40x64xf32> -> tensor<?x64xf32>
    %1:2 = lathe.layers %i = 0 to 2 (%x = %0, %c = %kv) at %rows : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32> {
      %wkv = lathe.weight @blk.kv[%i] : tensor<32x64xf32>
      %wo = lathe.weight @blk.o[%i] : tensor<64x32x!lathe.q8_0>
      %wr = lathe.weight @blk.router[%i] : tensor<5x64xf32>
      %wg = lathe.weight @blk.gate[%i] : tensor<5x96x64x!lathe.q4_0>
      %wu = lathe.weight @blk.up[%i] : tensor<5x96x64x!lathe.q8_0>
      %wd = lathe.weight @blk.down[%i] : tensor<5x64x96x!lathe.q5_1>
      %q = lathe.linear %x, %wkv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
      %h = lathe.split_heads %q : tensor<?x32xf32> -> tensor<?x1x32xf32>
      %c1 = lathe.kv_append %c[%i], %h, %h at %rows : !lathe.kv<2 x 1 x 32 x f32>, tensor<?x1x32xf32>
      %a = lathe.attention %h, %c1[%i] at %rows {scale = 0.2 : f32} : tensor<?x1x32xf32>, !lathe.kv<2 x 1 x 32 x f32>
      %m = lathe.merge_heads %a : tensor<?x1x32xf32> -> tensor<?x32xf32>
      %o = lathe.linear %m, %wo : tensor<?x32xf32>, tensor<64x32x!lathe.q8_0> -> tensor<?x64xf32>
      %y = lathe.add %x, %o : tensor<?x64xf32>
      %n = lathe.rms_norm %y, %norm {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
      %l = lathe.linear %n, %wr : tensor<?x64xf32>, tensor<5x64xf32> -> tensor<?x5xf32>
      %e, %s = lathe.route %l : tensor<?x5xf32> -> tensor<?x3xi32>, tensor<?x3xf32>
      %g = lathe.expert_linear %n, %wg by %e : tensor<?x64xf32>, tensor<5x96x64x!lathe.q4_0>, tensor<?x3xi32> -> tensor<?x288xf32>
      %u = lathe.expert_linear %n, %wu by %e : tensor<?x64xf32>, tensor<5x96x64x!lathe.q8_0>, tensor<?x3xi32> -> tensor<?x288xf32>
      %t = lathe.silu %g : tensor<?x288xf32>
      %p = lathe.mul %t, %u : tensor<?x288xf32>
      %d = lathe.expert_linear %p, %wd by %e : tensor<?x288xf32>, tensor<5x64x96x!lathe.q5_1>, tensor<?x3xi32> -> tensor<?x192xf32>
      %z = lathe.mix %d, %s : tensor<?x192xf32>, tensor<?x3xf32> -> tensor<?x64xf32>
      %r = lathe.add %y, %z : tensor<?x64xf32>
      lathe.yield %r, %c1 : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
    }
    %2 = lathe.select_logits %1#0, %rows : tensor<?x64xf32>
    %3 = lathe.linear %2, %words : tensor<?x64xf32>, tensor<40x64xf32> -> tensor<?x40xf32>
    return %3, %1#1 : tensor<?x40xf32>, !lathe.kv<2 x 1 x 32 x f32>
  }
}
