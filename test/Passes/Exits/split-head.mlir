// The stack gives rows, the head takes them, and each has its own weights alone.
// RUN: lathe-opt %s --lathe-split-head=part=stack | FileCheck %s --check-prefix=STACK
// RUN: lathe-opt %s --lathe-split-head=part=head | FileCheck %s --check-prefix=HEAD

// STACK:      lathe.weights @embed
// STACK-NOT:  lathe.weights @norm
// STACK:      func.func @forward(%[[R:.*]]: !lathe.rows, %{{.*}}) -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 64 x f32>)
// STACK:      %[[S:.*]] = lathe.select_logits
// STACK-NEXT: return %[[S]],

// HEAD:       lathe.weights @embed
// HEAD:       lathe.weights @norm
// HEAD-NOT:   @forward
// HEAD:       func.func @main(%[[X:.*]]: tensor<?x64xf32>) -> tensor<?x96xf32>
// HEAD-DAG:   %[[E:.*]] = lathe.weight @embed
// HEAD-DAG:   %[[W:.*]] = lathe.weight @norm
// HEAD:       %[[N:.*]] = lathe.rms_norm %[[X]], %[[W]]
// HEAD-NEXT:  %[[L:.*]] = lathe.linear %[[N]], %[[E]]
// HEAD-NEXT:  return %[[L]]
lathe.weights @embed : tensor<96x64xf32> from "embed"
lathe.weights @norm : tensor<64xf32> from "norm"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 64 x f32>) -> (tensor<?x96xf32>, !lathe.kv<2 x 1 x 64 x f32>) {
  %e = lathe.weight @embed : tensor<96x64xf32>
  %x = lathe.embed %rows, %e : tensor<96x64xf32> -> tensor<?x64xf32>
  %y, %c1 = lathe.layers %i = 0 to 2 (%h = %x, %c = %kv) at %rows : tensor<?x64xf32>, !lathe.kv<2 x 1 x 64 x f32> {
    %s = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %s, %c : tensor<?x64xf32>, !lathe.kv<2 x 1 x 64 x f32>
  }
  %s = lathe.select_logits %y, %rows : tensor<?x64xf32>
  %w = lathe.weight @norm : tensor<64xf32>
  %n = lathe.rms_norm %s, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %l = lathe.linear %n, %e : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return %l, %c1 : tensor<?x96xf32>, !lathe.kv<2 x 1 x 64 x f32>
}
