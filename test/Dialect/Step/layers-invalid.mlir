// Stacks of a program that do not hold together.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// No layers.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{'step.layers' op count must be between 1 and 4096, got 0}}
  step.layers %i = 0 to 0 {
  }
}

// -----

// A negative number of layers.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{count must be between 1 and 4096, got -3}}
  step.layers %i = 0 to -3 {
  }
}

// -----

// A stack that starts in the middle.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{the stack starts at layer 0, got 1}}
  step.layers %i = 1 to 3 {
  }
}

// -----

// Two bodies, and nothing that says which layer runs which.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{has 2 bodies and no select}}
  step.layers %i = 0 to 3 {
  }, {
  }
}

// -----

// A layer without a body.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{select must name a body for each of the 3 layers, got 1}}
  step.layers %i = 0 to 3 select [0] {
  }
}

// -----

// A body that is not there.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{select names body 1, but there are 1}}
  step.layers %i = 0 to 2 select [0, 1] {
  }
}

// -----

// No body at all.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{needs a body}}
  "step.layers"() <{count = 2 : i64}> : () -> ()
}

// -----

// A body that does not take the number of its layer.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{a body must have arguments ('index'), got ()}}
  "step.layers"() <{count = 2 : i64}> ({
  ^bb0:
    "step.barrier"() : () -> ()
  }) : () -> ()
}

// -----

// A stack in a stack.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  step.layers %i = 0 to 2 {
    // expected-error@+1 {{'step.layers' op expects parent op 'step.program'}}
    step.layers %j = 0 to 2 {
    }
  }
}

// -----

// A stack with more layers than its cache.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x2x32xf32>
  step.layers %i = 0 to 3 {
    step.phase "append" over rows {
      %0 = step.load %x : !step.buffer<8x2x32xf32> -> tensor<?x2x32xf32>
      // expected-error@+1 {{'lathe.kv_append' op layer 2 is beyond a cache of 2 layers}}
      %1 = lathe.kv_append %kv[%i], %0, %0 at %rows : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x32xf32>
      step.store %1, %kv : !lathe.kv<2 x 2 x 32 x f16>, !lathe.kv<2 x 2 x 32 x f16>
    }
  }
}

// -----

// A layer that lacks a weight of its body would read beyond the table of weights.
lathe.weights @w : [0] x tensor<64xf32> from "blk.{}.w"
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x64xf32>
  step.layers %i = 0 to 2 {
    step.phase "bias" over rows {
      %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
      // expected-error@+1 {{'lathe.weight' op layer 1 has no weight @w}}
      %1 = lathe.weight @w[%i] : tensor<64xf32>
      %2 = lathe.bias %0, %1 : tensor<?x64xf32>, tensor<64xf32>
      step.store %2, %x : tensor<?x64xf32>, !step.buffer<8x64xf32>
    }
  }
}

// -----

// A skipped layer that is not there.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{'step.layers' op skip names layer 2 of 2}}
  step.layers %i = 0 to 2 at %rows skip [2] {
  }
}
