// An encoder becomes one program without a cache, of as many rows as a text may have.
// RUN: lathe-opt %s --lathe-fuse --lathe-schedule=prefill-rows=64 | FileCheck %s

// CHECK-NOT: @decode
// CHECK-NOT: @prefill
// CHECK-LABEL: step.program @forward max_rows = 128
// CHECK-SAME:  (%rows: !lathe.rows, %logits: !step.buffer<128x64xf32>) {
// CHECK:         %[[X:.*]] = step.alloc : <128x64xf32>
// CHECK:         step.phase "embed+embed_position+add+layer_norm" over rows {
// CHECK:           step.store %{{.*}}, %[[X]]
// CHECK:         step.layers %{{.*}} = 0 to 2 {

// Queries, keys and values of all rows are there before a row attends.
// CHECK:           step.phase "q+k+v" over columns {
// CHECK:           step.phase "self_attention" over heads {
// CHECK:             lathe.self_attention

// The rows that attention is added to are those of its residual; their norm is a phase
// of its own, because what comes next needs whole rows of it twice.
// CHECK:           step.phase "o" over columns {
// CHECK:             lathe.add
// CHECK:           step.phase "layer_norm" over rows {
// CHECK:             step.store %{{.*}}, %[[X]]

// One row is computed for each text.
// CHECK:         step.phase "pool" over rows logits_rows {
// CHECK:           lathe.pool
// CHECK:           step.store %{{.*}}, %logits
module attributes {lathe.model = {context = 128 : i64}} {
  lathe.weights @words : tensor<40x64xf32> from "words"
  lathe.weights @positions : tensor<128x64xf32> from "positions"
  lathe.weights @norm : tensor<64xf32> from "norm"
  lathe.weights @blk.q : 2 x tensor<64x64xf32> from "{}.q"
  lathe.weights @blk.k : 2 x tensor<64x64xf32> from "{}.k"
  lathe.weights @blk.v : 2 x tensor<64x64xf32> from "{}.v"
  lathe.weights @blk.o : 2 x tensor<64x64xf32> from "{}.o"
  func.func @forward(%rows: !lathe.rows) -> tensor<?x64xf32> {
    %words = lathe.weight @words : tensor<40x64xf32>
    %positions = lathe.weight @positions : tensor<128x64xf32>
    %norm = lathe.weight @norm : tensor<64xf32>
    %0 = lathe.embed %rows, %words : tensor<40x64xf32> -> tensor<?x64xf32>
    %1 = lathe.embed_position %rows, %positions : tensor<128x64xf32> -> tensor<?x64xf32>
    %2 = lathe.add %0, %1 : tensor<?x64xf32>
    %3 = lathe.layer_norm %2, %norm, %norm {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %4 = lathe.layers %i = 0 to 2 (%x = %3) : tensor<?x64xf32> {
      %wq = lathe.weight @blk.q[%i] : tensor<64x64xf32>
      %wk = lathe.weight @blk.k[%i] : tensor<64x64xf32>
      %wv = lathe.weight @blk.v[%i] : tensor<64x64xf32>
      %wo = lathe.weight @blk.o[%i] : tensor<64x64xf32>
      %q = lathe.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %k = lathe.linear %x, %wk : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %v = lathe.linear %x, %wv : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %a = lathe.self_attention %q, %k, %v at %rows {heads = 2, scale = 0.125 : f32} : tensor<?x64xf32>
      %o = lathe.linear %a, %wo : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %s = lathe.add %x, %o : tensor<?x64xf32>
      %y = lathe.layer_norm %s, %norm, %norm {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
      lathe.yield %y : tensor<?x64xf32>
    }
    %5 = lathe.pool %4, %rows : tensor<?x64xf32>
    return %5 : tensor<?x64xf32>
  }
}
