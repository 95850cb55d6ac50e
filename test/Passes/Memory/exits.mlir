// What an exit reads and writes, on each of its ways: past it, back from its predicate, and out.
// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-place-barriers))' -o %t.once
// RUN: FileCheck %s < %t.once
// RUN: lathe-opt %t.once --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-place-barriers))' | diff %t.once -
// RUN: lathe-opt %t.once --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-check-memory-plan,lathe-check-barriers))' -o /dev/null

// The predicate reads what the layer made; the exit reads what the predicate made; the lens writes
// over what the predicate read, which the barrier between them has settled.  Behind the stack, the
// layer's or the lens's rows are read.
// CHECK-LABEL: step.program @decode
// CHECK:         step.phase "layer"
// CHECK-NOT:     step.barrier
// CHECK:         step.exit_if
// CHECK-NEXT:      step.barrier
// CHECK-NEXT:      step.phase "sure"
// CHECK:           step.barrier
// CHECK-NEXT:    } leaving {
// CHECK-NEXT:      step.phase "lens"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "head"
step.program @decode max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  %p = step.alloc at 256 : !step.buffer<1x1xf32>
  step.phase "embed" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 at %rows {
    step.phase "layer" over rows {
      %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
      step.phase "sure" over rows {
        %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
        %1 = lathe.margin %0 : tensor<?x64xf32>
        step.store %1, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
      }
    } leaving {
      step.phase "lens" over rows {
        %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
        step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
      }
    }
  }
  step.phase "head" over rows {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// Without a predicate of its own the exit reads what the layer made, behind a barrier.
// CHECK-LABEL: step.program @layer_knows
// CHECK:         step.phase "layer"
// CHECK:         step.barrier
// CHECK-NEXT:    step.exit_if
step.program @layer_knows max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %p = step.alloc at 0 : !step.buffer<1x1xf32>
  step.layers %i = 0 to 4 at %rows {
    step.phase "layer" over rows {
      %0 = "v"() : () -> tensor<?x1xf32>
      step.store %0, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
    }
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
    } leaving {
    }
  }
}
