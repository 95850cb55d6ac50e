// Encoders whose steps cannot go on where they ended.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-check-memory-plan,lathe-check-barriers))'

// %q lies over the rows between layers: a whole step is right, and one that goes on is not.
step.program @overwritten max_rows = 1 arena = 768 (%rows: !lathe.rows, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  %p = step.alloc at 256 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other buffer}}
  %q = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.layers %i = 0 to 4 {
    step.phase "1" over rows {
      // expected-error@+1 {{the buffer was overwritten by another before this load}}
      %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.barrier
  }
  step.phase "2" over rows {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %p : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.phase "3" over rows {
    %0 = step.load %p : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %q : tensor<?x64xf32>, !step.buffer<1x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// A step that runs no layer finds what a layer would have written unwritten.
step.program @unwritten max_rows = 1 arena = 768 (%rows: !lathe.rows, %logits: !step.buffer<1x64xf32>) {
  // expected-note@+1 {{the other buffer}}
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.layers %i = 0 to 4 {
    step.phase "1" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.barrier
  }
  step.phase "2" over rows {
    // expected-error@+1 {{the buffer was overwritten by another before this load}}
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// The only barrier between "0" and "2" is a layer's, and no layer may run.
step.program @no_layer max_rows = 1 arena = 768 (%rows: !lathe.rows, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other phase}}
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
  // expected-error@+1 {{phase '2' reads what phase '0' writes, and there is no barrier between}}
  step.phase "2" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}
