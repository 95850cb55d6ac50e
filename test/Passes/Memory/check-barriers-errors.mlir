// Programs with one barrier too few.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-check-barriers))'

// Read after write.
step.program @raw max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other phase}}
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  // expected-error@+1 {{phase '1' reads what phase '0' writes, and there is no barrier between}}
  step.phase "1" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// Write after read: %c lies in a part of the bytes of %a.
step.program @war max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 512 : !step.buffer<1x64xf32>
  %c = step.alloc at 192 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other phase}}
  step.phase "0" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  // expected-error@+1 {{phase '1' writes what phase '0' reads, and there is no barrier between}}
  step.phase "1" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %c : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// Write after write, through bytes that are used again.
step.program @waw max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 192 : !step.buffer<1x64xf32>
  // expected-note@+1 {{the other phase}}
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  // expected-error@+1 {{phase '1' writes what phase '0' writes, and there is no barrier between}}
  step.phase "1" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// A barrier that comes too early.
step.program @early max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  %c = step.alloc at 512 : !step.buffer<1x64xf32>
  step.barrier
  // expected-note@+1 {{the other phase}}
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %c : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  // expected-error@+1 {{phase '2' reads what phase '0' writes, and there is no barrier between}}
  step.phase "2" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %c : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// The back edge: the first round is sound, the second is not.
step.program @back_edge max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 4 {
    // expected-error@+2 {{phase '0' reads what phase '0' writes, and there is no barrier between}}
    // expected-note@+1 {{the other phase}}
    step.phase "0" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// -----

// Only from the second body to the first is there no barrier.
step.program @bodies max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 4 select [0, 1, 0, 1] {
    // expected-error@+1 {{phase '0' reads what phase '1' writes, and there is no barrier between}}
    step.phase "0" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.barrier
    // expected-note@+1 {{the other phase}}
    step.phase "1" over rows {
      %0 = step.load %b : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// -----

// Attention beside the cache write that it needs.
step.program @cache max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %q = step.alloc at 0 : !step.buffer<1x64xf32>
  %out = step.alloc at 256 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 4 {
    step.barrier
    // expected-note@+1 {{the other phase}}
    step.phase "append" over columns {
      %0 = step.load %q : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = lathe.split_heads %0 : tensor<?x64xf32> -> tensor<?x1x64xf32>
      %2 = lathe.kv_append %kv[%i], %1, %1 at %rows : !lathe.kv<4 x 1 x 64 x f32>, tensor<?x1x64xf32>
      step.store %2, %kv : !lathe.kv<4 x 1 x 64 x f32>, !lathe.kv<4 x 1 x 64 x f32>
    }
    // expected-error@+1 {{phase 'attention' reads what phase 'append' writes, and there is no barrier between}}
    step.phase "attention" over heads {
      %0 = step.load %q : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = lathe.split_heads %0 : tensor<?x64xf32> -> tensor<?x1x64xf32>
      %2 = lathe.attention %1, %kv[%i] at %rows {scale = 0.125 : f32} : tensor<?x1x64xf32>, !lathe.kv<4 x 1 x 64 x f32>
      %3 = lathe.merge_heads %2 : tensor<?x1x64xf32> -> tensor<?x64xf32>
      step.store %3, %out : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// -----

// No plan, no proof.
step.program @unplanned max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  // expected-error@+1 {{the buffer has no offset; run lathe-plan-memory first}}
  %a = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// -----

// Layers run in order, so that the barrier of body 1 is always between; not so where rows leave it out.
step.program @in_order max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 3 select [0, 1, 2] {
    step.phase "0" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.barrier
  }, {
    step.phase "2" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}
step.program @left_out max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 3 at %rows select [0, 1, 2] {
    // expected-note@+1 {{the other phase}}
    step.phase "0" over rows {
      %0 = "v"() : () -> tensor<?x64xf32>
      step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.barrier
  }, {
    // expected-error@+1 {{phase '2' reads what phase '0' writes, and there is no barrier between}}
    step.phase "2" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}
