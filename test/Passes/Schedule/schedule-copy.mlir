// Where the carried rows cannot be written over, a phase copies the new ones at the end of the body.
// RUN: lathe-opt %s --lathe-schedule=prefill-rows=1 --split-input-file | FileCheck %s

lathe.weights @embd : tensor<64x64xf32> from "e"
lathe.weights @norm : tensor<64xf32> from "n"

// The norm needs whole rows while other workers would write over them.
// CHECK-LABEL: step.program @decode
// CHECK-DAG:     %[[H:.*]] = step.alloc
// CHECK-DAG:     %[[NEW:.*]] = step.alloc
// CHECK:         step.layers
// CHECK:           step.phase "up"
// CHECK:             step.load %[[H]]
// CHECK:             step.store %{{.*}}, %[[NEW]]
// CHECK:           step.phase "copy" over rows {
// CHECK-NEXT:        %[[V:.*]] = step.load %[[NEW]]
// CHECK-NEXT:        step.store %[[V]], %[[H]]
// CHECK-NEXT:      }
// CHECK:         step.phase "head"
// CHECK-NEXT:      step.load %[[H]]
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %we = lathe.weight @embd : tensor<64x64xf32>
  %wn = lathe.weight @norm : tensor<64xf32>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %we : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y = lathe.layers %i = 0 to 2 (%h = %x) : tensor<?x64xf32> {
    %g = lathe.group "up" -> tensor<?x64xf32> {
      %n = lathe.rms_norm %h, %wn {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
      %u = lathe.linear %n, %we : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      %s = lathe.add %h, %u : tensor<?x64xf32>
      lathe.yield %s : tensor<?x64xf32>
    }
    lathe.yield %g : tensor<?x64xf32>
  }
  %l = lathe.group "head" -> tensor<?x64xf32> {
    %o = lathe.linear %y, %we : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %o : tensor<?x64xf32>
  }
  return %l, %kv : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
}

// -----

lathe.weights @w : tensor<64x64xf32> from "w"

// Rows that are still wanted after the stack are not the stack's to write over: they are copied in
// front of it.
// CHECK-LABEL: step.program @decode
// CHECK:         step.phase "embed"
// CHECK:           step.store %{{.*}}, %[[X:.*]] :
// CHECK:         step.phase "copy" over rows {
// CHECK-NEXT:      %[[V:.*]] = step.load %[[X]]
// CHECK-NEXT:      step.store %[[V]], %[[H:.*]] :
// CHECK:         step.layers
// CHECK-NEXT:      step.phase "up"
// CHECK-NEXT:        step.load %[[H]]
// CHECK:         step.phase "head"
// CHECK-NEXT:      step.load %[[H]]
// CHECK:           step.load %[[X]]
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %w = lathe.weight @w : tensor<64x64xf32>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y = lathe.layers %i = 0 to 2 (%h = %x) : tensor<?x64xf32> {
    %g = lathe.group "up" -> tensor<?x64xf32> {
      %u = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %u : tensor<?x64xf32>
    }
    lathe.yield %g : tensor<?x64xf32>
  }
  %l = lathe.group "head" -> tensor<?x64xf32> {
    %o = lathe.linear %y, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.add %o, %x : tensor<?x64xf32>
    lathe.yield %s : tensor<?x64xf32>
  }
  return %l, %kv : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
}

// -----

lathe.weights @w : tensor<64x64xf32> from "w"

// A layer that swaps its two carried rows: both would be overwritten by the other's copy, so one
// is moved away first.
// CHECK-LABEL: step.program @decode
// CHECK:         step.phase "a"
// CHECK:           step.store %{{.*}}, %[[A:.*]] :
// CHECK:         step.phase "b"
// CHECK:           step.store %{{.*}}, %[[B:.*]] :
// CHECK:         step.layers
// CHECK-NEXT:      step.phase "copy" over rows {
// CHECK-NEXT:        %[[V1:.*]] = step.load %[[B]]
// CHECK-NEXT:        step.store %[[V1]], %[[AWAY:.*]] :
// CHECK-NEXT:      }
// CHECK-NEXT:      step.phase "copy" over rows {
// CHECK-NEXT:        %[[V2:.*]] = step.load %[[A]]
// CHECK-NEXT:        step.store %[[V2]], %[[B]] :
// CHECK-NEXT:      }
// CHECK-NEXT:      step.phase "copy" over rows {
// CHECK-NEXT:        %[[V3:.*]] = step.load %[[AWAY]]
// CHECK-NEXT:        step.store %[[V3]], %[[A]] :
// CHECK-NEXT:      }
// CHECK-NEXT:    }
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %w = lathe.weight @w : tensor<64x64xf32>
  %a = lathe.group "a" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %b = lathe.group "b" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w {scale = 2.0 : f32} : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y:2 = lathe.layers %i = 0 to 3 (%g = %a, %h = %b) : tensor<?x64xf32>, tensor<?x64xf32> {
    lathe.yield %h, %g : tensor<?x64xf32>, tensor<?x64xf32>
  }
  %l = lathe.group "head" -> tensor<?x64xf32> {
    %o = lathe.linear %y#0, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.add %o, %y#1 : tensor<?x64xf32>
    lathe.yield %s : tensor<?x64xf32>
  }
  return %l, %kv : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
}

// -----

lathe.weights @w : tensor<64x64xf32> from "w"

// The first carried rows become new ones, the second become the old first, which are copied before
// the new ones come.
// CHECK-LABEL: step.program @decode
// CHECK:         step.phase "a"
// CHECK:           step.store %{{.*}}, %[[A:.*]] :
// CHECK:         step.phase "b"
// CHECK:           step.store %{{.*}}, %[[B:.*]] :
// CHECK:         step.layers
// CHECK-NEXT:      step.phase "up"
// CHECK:             step.store %{{.*}}, %[[NEW:.*]] :
// CHECK-NEXT:      }
// CHECK-NEXT:      step.phase "copy" over rows {
// CHECK-NEXT:        %[[V1:.*]] = step.load %[[A]]
// CHECK-NEXT:        step.store %[[V1]], %[[B]] :
// CHECK-NEXT:      }
// CHECK-NEXT:      step.phase "copy" over rows {
// CHECK-NEXT:        %[[V2:.*]] = step.load %[[NEW]]
// CHECK-NEXT:        step.store %[[V2]], %[[A]] :
// CHECK-NEXT:      }
// CHECK-NEXT:    }
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %w = lathe.weight @w : tensor<64x64xf32>
  %a = lathe.group "a" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %b = lathe.group "b" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w {scale = 2.0 : f32} : tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y:2 = lathe.layers %i = 0 to 3 (%g = %a, %h = %b) : tensor<?x64xf32>, tensor<?x64xf32> {
    %n = lathe.group "up" -> tensor<?x64xf32> {
      %u = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %u : tensor<?x64xf32>
    }
    lathe.yield %n, %g : tensor<?x64xf32>, tensor<?x64xf32>
  }
  %l = lathe.group "head" -> tensor<?x64xf32> {
    %o = lathe.linear %y#0, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %s = lathe.add %o, %y#1 : tensor<?x64xf32>
    lathe.yield %s : tensor<?x64xf32>
  }
  return %l, %kv : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
}
