// Phases that could not be run.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// Work that nobody sees.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{'step.phase' op stores nothing}}
  step.phase "nothing" over rows {
  }
}

// -----

// An axis that is none.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{expected 'rows', 'columns', 'heads' or 'whole', got 'tiles'}}
  step.phase "axis" over tiles {
  }
}

// -----

// A phase of no program.
func.func @phase() {
  // expected-error@+1 {{'step.phase' op expects parent op to be one of 'step.program, step.layers, step.exit_if'}}
  step.phase "phase" over rows {
  }
  return
}

// -----

// Workers cannot meet inside a phase: each has other tiles.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x64xf32>
  step.phase "barrier" over rows {
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<8x64xf32>
    // expected-error@+1 {{'step.barrier' op expects parent op to be one of 'step.program, step.layers, step.exit_if'}}
    step.barrier
  }
}

// -----

// Buffers are read inside phases.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x64xf32>
  // expected-error@+1 {{'step.load' op expects parent op 'step.phase'}}
  %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
}

// -----

// A value of another width than its buffer.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x64xf32>
  step.phase "load" over rows {
    // expected-error@+1 {{'step.load' op a buffer of type '!step.buffer<8x64xf32>' holds values of type 'tensor<?x64xf32>', got 'tensor<?x32xf32>'}}
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x32xf32>
    step.store %0, %x : tensor<?x32xf32>, !step.buffer<8x64xf32>
  }
}

// -----

// A value of a fixed number of rows: a step may have fewer.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x64xf32>
  step.phase "load" over rows {
    // expected-error@+1 {{holds values of type 'tensor<?x64xf32>', got 'tensor<8x64xf32>'}}
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<8x64xf32>
    step.store %0, %x : tensor<8x64xf32>, !step.buffer<8x64xf32>
  }
}

// -----

// A value of another element type than its buffer.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x64xf32>
  %y = step.alloc : !step.buffer<8x64xbf16>
  step.phase "store" over rows {
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    // expected-error@+1 {{'step.store' op a buffer of type '!step.buffer<8x64xbf16>' holds values of type 'tensor<?x64xbf16>', got 'tensor<?x64xf32>'}}
    step.store %0, %y : tensor<?x64xf32>, !step.buffer<8x64xbf16>
  }
}

// -----

// A cache takes states of itself only.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x64xf32>
  step.phase "store" over rows {
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    // expected-error@+1 {{a KV cache of type '!lathe.kv<2 x 2 x 32 x f16>' cannot take a state of type 'tensor<?x64xf32>'}}
    step.store %0, %kv : tensor<?x64xf32>, !lathe.kv<2 x 2 x 32 x f16>
  }
}

// -----

// A layer of one's own choice: generated code knows only that of the stack it stands in.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %i = arith.constant 1 : index
  %x = step.alloc : !step.buffer<8x2x32xf32>
  step.phase "layer" over heads {
    %0 = step.load %x : !step.buffer<8x2x32xf32> -> tensor<?x2x32xf32>
    // expected-error@+1 {{'lathe.attention' op the layer must be the number that the step.layers around the phase counts}}
    %1 = lathe.attention %0, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x2x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
    step.store %1, %x : tensor<?x2x32xf32>, !step.buffer<8x2x32xf32>
  }
}
