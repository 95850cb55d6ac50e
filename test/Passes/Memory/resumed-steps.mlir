// An encoder's step may end behind any layer, or ahead of the first, and go on from there later.
// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-plan-memory,lathe-check-memory-plan,lathe-place-barriers,lathe-check-barriers))' | FileCheck %s

// The rows between layers, %x, are still wanted when the step has ended: what is behind the stack
// must not lie over them.  Three buffers are alive in phase "4".
// CHECK-LABEL: step.program @keeps max_rows = 1 arena = 768 bound = 768
// CHECK-NEXT:    step.alloc at [[X:[0-9]+]] : <1x64xf32>
// CHECK-NEXT:    step.alloc at
// CHECK-NEXT:    step.alloc at
// CHECK-NOT:     step.alloc at [[X]] :
step.program @keeps max_rows = 1 (%rows: !lathe.rows, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc : !step.buffer<1x64xf32>
  %t = step.alloc : !step.buffer<1x64xf32>
  %p = step.alloc : !step.buffer<1x64xf32>
  %q = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 {
    step.phase "1" over rows {
      %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %t : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %t : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "3" over rows {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %p : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "4" over rows {
    %0 = step.load %p : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %q : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "5" over rows {
    %0 = step.load %q : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// The same of a decoder, which always runs all layers, does with two.
// CHECK-LABEL: step.program @decoder max_rows = 1 arena = 512 bound = 512
step.program @decoder max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc : !step.buffer<1x64xf32>
  %t = step.alloc : !step.buffer<1x64xf32>
  %p = step.alloc : !step.buffer<1x64xf32>
  %q = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 {
    step.phase "1" over rows {
      %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %t : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %t : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "3" over rows {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %p : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "4" over rows {
    %0 = step.load %p : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %q : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "5" over rows {
    %0 = step.load %q : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// No layer may run, and then no barrier of a layer stands between "0" and "2".
// CHECK-LABEL: step.program @no_layer
// CHECK:         step.layers
// CHECK:           step.barrier
// CHECK:           step.phase "1"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "2"
step.program @no_layer max_rows = 1 (%rows: !lathe.rows, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc : !step.buffer<1x64xf32>
  %b = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 {
    step.barrier
    step.phase "1" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "2" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}
