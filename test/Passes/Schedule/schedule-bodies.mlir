// Several bodies share the carried rows, and each is bound on its own: one in place, one by a copy.
// The caches of all bodies are the one of the program.
// RUN: lathe-opt %s --lathe-schedule=prefill-rows=1 | FileCheck %s

lathe.weights @w : tensor<64x64xf32> from "w"
lathe.weights @norm : tensor<64xf32> from "n"

// CHECK-LABEL: step.program @decode
// CHECK-SAME:    %[[KV:[a-z]+]]: !lathe.kv
// CHECK:         step.phase "embed"
// CHECK:           step.store %{{.*}}, %[[H:.*]] :
// CHECK:         step.layers %{{.*}} = 0 to 3 select [0, 1, 0] {
// CHECK-NEXT:      step.phase "plain"
// CHECK:             step.store %{{.*}}, %[[NEW:.*]] :
// CHECK:           step.phase "copy"
// CHECK-NEXT:        step.load %[[NEW]]
// CHECK-NEXT:        step.store %{{.*}}, %[[H]]
// CHECK:         }, {
// CHECK-NEXT:      step.phase "attention" over heads {
// CHECK:             lathe.attention %{{.*}}, %[[KV]][
// CHECK:             step.store %{{.*}}, %[[A:.*]] :
// CHECK:           step.phase "append" over columns {
// CHECK-NEXT:        step.load %[[A]]
// CHECK:             %[[C:.*]] = lathe.kv_append %[[KV]][
// CHECK:             step.store %{{.*}}, %[[H]]
// CHECK-NEXT:        step.store %[[C]], %[[KV]]
// CHECK-NOT:       step.phase "copy"
// CHECK:         step.phase "head"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 64 x f32>) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %w = lathe.weight @w : tensor<64x64xf32>
  %wn = lathe.weight @norm : tensor<64xf32>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y, %c = lathe.layers %i = 0 to 3 (%h = %x, %c0 = %kv) select [0, 1, 0] : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
    %g = lathe.group "plain" -> tensor<?x64xf32> {
      %n = lathe.rms_norm %h, %wn {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
      %u = lathe.linear %n, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %u : tensor<?x64xf32>
    }
    lathe.yield %g, %c0 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }, {
    %a = lathe.group "attention" -> tensor<?x64xf32> {
      %q = lathe.split_heads %h : tensor<?x64xf32> -> tensor<?x1x64xf32>
      %0 = lathe.attention %q, %c0[%i] at %rows {scale = 0.125 : f32} : tensor<?x1x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
      %m = lathe.merge_heads %0 : tensor<?x1x64xf32> -> tensor<?x64xf32>
      lathe.yield %m : tensor<?x64xf32>
    }
    %g:2 = lathe.group "append" -> tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
      %u = lathe.linear %a, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %k = lathe.split_heads %u : tensor<?x64xf32> -> tensor<?x1x64xf32>
      %c1 = lathe.kv_append %c0[%i], %k, %k at %rows : !lathe.kv<3 x 1 x 64 x f32>, tensor<?x1x64xf32>
      lathe.yield %u, %c1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
    }
    lathe.yield %g#0, %g#1 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
  %l = lathe.group "head" -> tensor<?x64xf32> {
    %o = lathe.linear %y, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %o : tensor<?x64xf32>
  }
  return %l, %c : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
}
