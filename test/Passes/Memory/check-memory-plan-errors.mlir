// Plans written by hand, each with one fault.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-check-memory-plan))'

// Two live buffers overlap by their last and first 64 bytes.
step.program @overlap max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other buffer}}
  %b = step.alloc at 192 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "2" over rows {
    // expected-error@+1 {{the buffer was overwritten by another before this load}}
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// Only the second round shows the fault: %table is read in every round, and %local lies over it.
step.program @second_round max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %table = step.alloc at 0 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other buffer}}
  %local = step.alloc at 0 : !step.buffer<1x64xf32>
  %h = step.alloc at 256 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %table : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 2 {
    step.phase "1" over rows {
      // expected-error@+1 {{the buffer was overwritten by another before this load}}
      %0 = step.load %table : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %h : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %local : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// -----

// Only where body 1 follows body 0, in layer 3, is the fault.
step.program @two_bodies max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other buffer}}
  %b = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 select [1, 1, 0, 1] {
    step.phase "1" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.phase "2" over rows {
      // expected-error@+1 {{the buffer was overwritten by another before this load}}
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// -----

step.program @never_stored max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    // expected-error@+1 {{the buffer is loaded before it is stored}}
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// Tiles have no order: while one worker stores its part of %b, another still reads %a.
step.program @same_phase max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  // expected-note@+1 {{the other buffer}}
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 128 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over columns {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    // expected-error@+1 {{the buffer overlaps another that the same phase uses}}
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// Two results of one phase.
step.program @same_phase_stores max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  // expected-note@+1 {{the other buffer}}
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 252 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    // expected-error@+1 {{the buffer overlaps another that the same phase uses}}
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// One byte too far.
step.program @beyond max_rows = 1 arena = 511 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 256 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    // expected-error@+1 {{the buffer does not lie inside the arena of 511 bytes}}
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// The end of the buffer overflows 64 bits.
step.program @overflow max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 9223372036854775800 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    // expected-error@+1 {{the buffer does not lie inside the arena of 512 bytes}}
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// No plan at all.
step.program @unplanned max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    // expected-error@+1 {{the buffer does not lie inside the arena of 0 bytes}}
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// What layer 0 stores is there for layer 1; not so where rows may leave layer 0 out.
step.program @in_order max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 2 select [0, 1] {
    step.phase "0" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.phase "1" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}
step.program @left_out max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 2 at %rows select [0, 1] {
    step.phase "0" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.phase "1" over rows {
      // expected-error@+1 {{the buffer is loaded before it is stored}}
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}
