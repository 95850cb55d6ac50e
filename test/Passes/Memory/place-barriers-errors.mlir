// RUN: lathe-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-place-barriers))'

// expected-error@+1 {{buffers have no offsets; run lathe-plan-memory first}}
step.program @unplanned max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// One buffer of two has a place.
// expected-error@+1 {{buffers have no offsets; run lathe-plan-memory first}}
step.program @half_planned max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// A buffer that nothing uses needs no place: no error.
step.program @unused max_rows = 1 arena = 0 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc : !step.buffer<1x64xf32>
}
