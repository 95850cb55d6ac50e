// Of a value that is carried twice one has it in its place, and of what leaves a stack that which
// another copy is about to overwrite goes first.
// RUN: lathe-opt %s --lathe-schedule=prefill-rows=32 > %t
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=MANY < %t

lathe.weights @w : tensor<64x64xf32> from "w"

// CHECK-LABEL: step.program @decode
// CHECK:         step.phase "embed"
// CHECK:           step.store %{{.*}}, %[[H:.*]] :
// CHECK:         step.phase "copy"
// CHECK-NEXT:      step.load %[[H]]
// CHECK-NEXT:      step.store %{{.*}}, %[[KEPT:.*]] :
// CHECK-NOT:     step.phase "copy"
// CHECK:         step.layers %{{.*}} = 0 to 3 at %{{.*}} select [0, 0, 0] rest [1, 1, 1] behind propagate {
// CHECK:           step.phase "layer" over columns {
// CHECK:             step.store %{{.*}}, %[[H]]
// CHECK:           } leaving {
// CHECK-NEXT:        step.phase "lens" over columns {
// CHECK:               step.store %{{.*}}, %[[Z:.*]] :
// CHECK:             step.phase "copy"
// CHECK-NEXT:          step.load %[[H]]
// CHECK-NEXT:          step.store %{{.*}}, %[[KEPT]]
// CHECK:             step.phase "copy"
// CHECK-NEXT:          step.load %[[Z]]
// CHECK-NEXT:          step.store %{{.*}}, %[[H]]
// CHECK-NEXT:        }
// CHECK-NEXT:      }
// CHECK-NEXT:    }, {
// CHECK-NEXT:      step.phase "keys"
// CHECK:             step.load %[[KEPT]]
// CHECK:         step.phase "head"
// CHECK:           step.load %[[H]]

// Nobody leaves a program of several rows, so that nothing is kept for those behind.
// MANY-LABEL: step.program @prefill
// MANY-NOT:     step.phase "copy"
// MANY:         step.layers %{{.*}} = 0 to 3 at %{{.*}} {
// MANY-NOT:     step.phase "copy"
// MANY:         step.phase "head"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 64 x f32>) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %w = lathe.weight @w : tensor<64x64xf32>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y, %c, %n = lathe.layers %i = 0 to 3 (%h = %x, %c0 = %kv, %k = %x) at %rows select [0, 0, 0] rest [1, 1, 1] behind propagate : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>, tensor<?x64xf32> {
    %a = lathe.group "in" -> tensor<?x64xf32> {
      %0 = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %0 : tensor<?x64xf32>
    }
    %g = lathe.group "layer" -> tensor<?x64xf32> {
      %0 = lathe.linear %a, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %0 : tensor<?x64xf32>
    }
    %p = lathe.group "sure" -> tensor<?x1xf32> {
      %0 = lathe.margin %g : tensor<?x64xf32>
      lathe.yield %0 : tensor<?x1xf32>
    }
    %z = lathe.group "lens" -> tensor<?x64xf32> {
      %0 = lathe.linear %g, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %0 : tensor<?x64xf32>
    }
    lathe.yield %g, %c0, %k until %p leaving %z, %c0, %g : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>, tensor<?x64xf32>
  }, {
    %c1 = lathe.group "keys" -> !lathe.kv<3 x 1 x 64 x f32> {
      %0 = lathe.linear %k, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %1 = lathe.split_heads %0 : tensor<?x64xf32> -> tensor<?x1x64xf32>
      %2 = lathe.kv_append %c0[%i], %1, %1 at %rows : !lathe.kv<3 x 1 x 64 x f32>, tensor<?x1x64xf32>
      lathe.yield %2 : !lathe.kv<3 x 1 x 64 x f32>
    }
    lathe.yield %h, %c1, %k : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>, tensor<?x64xf32>
  }
  %l = lathe.group "head" -> tensor<?x64xf32> {
    %o = lathe.linear %y, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %o : tensor<?x64xf32>
  }
  return %l, %c : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
}
