// Exits without the barriers that they need, and a confidence whose memory is used again.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-check-memory-plan,lathe-check-barriers))'

// The exit reads what its predicate may still be writing.
step.program @reads max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %p = step.alloc at 0 : !step.buffer<1x1xf32>
  step.layers %i = 0 to 4 at %rows {
    // expected-error@+1 {{the exit reads what phase 'sure' writes, and there is no barrier between}}
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
      // expected-note@+1 {{the other phase}}
      step.phase "sure" over rows {
        %0 = "v"() : () -> tensor<?x1xf32>
        step.store %0, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
      }
    } leaving {
    }
  }
}

// -----

// A barrier of the predicate alone does not stand between two layers when nobody asks.
step.program @only_there max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  %p = step.alloc at 256 : !step.buffer<1x1xf32>
  step.layers %i = 0 to 4 at %rows {
    // expected-error@+2 {{phase 'layer' writes what phase 'layer' writes, and there is no barrier between}}
    // expected-note@+1 {{the other phase}}
    step.phase "layer" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
      step.barrier
      step.phase "sure" over rows {
        %0 = "v"() : () -> tensor<?x1xf32>
        step.store %0, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
      }
      step.barrier
    } leaving {
    }
  }
}

// -----

// The confidence lies where another buffer was written before it is read.
step.program @overwritten max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  // expected-note@+1 {{the other buffer}}
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  %p = step.alloc at 0 : !step.buffer<1x1xf32>
  step.layers %i = 0 to 4 at %rows {
    // expected-error@+1 {{the buffer was overwritten by another before this load}}
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
      step.phase "sure" over rows {
        %0 = "v"() : () -> tensor<?x1xf32>
        step.store %0, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
      }
      step.barrier
      step.phase "more" over rows {
        %0 = "v"() : () -> tensor<?x64xf32>
        step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
      }
      step.barrier
    } leaving {
    }
  }
}
