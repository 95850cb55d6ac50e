// An exit's confidence is computed ahead of it and its lens behind it, in programs of one row.
// RUN: lathe-opt %s --lathe-schedule=prefill-rows=32 > %t
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=MANY < %t

lathe.weights @w : tensor<64x64xf32> from "w"

// The layer's result is written over what is carried, the lens's is copied there.
// CHECK-LABEL: step.program @decode
// CHECK-SAME:    %[[ROWS:[a-z]+]]: !lathe.rows
// CHECK:         step.phase "embed"
// CHECK:           step.store %{{.*}}, %[[H:.*]] :
// CHECK:         step.layers %{{.*}} = 0 to 3 at %[[ROWS]] select [0, 1, 0] rest [2, 2, 2] behind propagate {
// CHECK:         }, {
// CHECK:           step.phase "layer" over columns {
// CHECK:             step.store %{{.*}}, %[[H]]
// CHECK:           step.exit_if %[[P:.*]] at %[[ROWS]] : <1x1xf32> {
// CHECK-NEXT:        step.phase "sure" over rows {
// CHECK-NEXT:          step.load %[[H]]
// CHECK:               step.store %{{.*}}, %[[P]]
// CHECK:           } leaving {
// CHECK-NEXT:        step.phase "lens" over columns {
// CHECK:               step.store %{{.*}}, %[[Z:.*]] :
// CHECK:             step.phase "copy"
// CHECK-NEXT:          step.load %[[Z]]
// CHECK-NEXT:          step.store %{{.*}}, %[[H]]
// CHECK-NEXT:        }
// CHECK-NEXT:      }
// CHECK-NEXT:    }, {
// CHECK:         step.phase "head"

// Programs of several rows are those of the graph without exits, with one body.
// MANY-LABEL: step.program @prefill
// MANY:         step.layers %{{.*}} = 0 to 3 at %{{.*}} {
// MANY:           step.phase "layer"
// MANY-NOT:       step.exit_if
// MANY-NOT:     }, {
// MANY:         step.phase "head"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 64 x f32>) -> (tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>) {
  %w = lathe.weight @w : tensor<64x64xf32>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y, %c = lathe.layers %i = 0 to 3 (%h = %x, %c0 = %kv) at %rows select [0, 1, 0] rest [2, 2, 2] behind propagate : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32> {
    %a = lathe.group "in" -> tensor<?x64xf32> {
      %0 = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %0 : tensor<?x64xf32>
    }
    %g = lathe.group "layer" -> tensor<?x64xf32> {
      %0 = lathe.linear %a, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %0 : tensor<?x64xf32>
    }
    lathe.yield %g, %c0 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }, {
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
    lathe.yield %g, %c0 until %p leaving %z, %c0 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }, {
    lathe.yield %h, %c0 : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
  }
  %l = lathe.group "head" -> tensor<?x64xf32> {
    %o = lathe.linear %y, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %o : tensor<?x64xf32>
  }
  return %l, %c : tensor<?x64xf32>, !lathe.kv<3 x 1 x 64 x f32>
}
