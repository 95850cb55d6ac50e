// A program whose loads find nothing has no meaning to compare.
// RUN: lathe-opt %s --verify-each-pass --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(step.program(lathe-check-barriers))'

lathe.weights @embd : tensor<40x64xf32> from "e"

step.program @loads_the_wrong_buffer max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x40xf32>) {
  %x = step.alloc at 0 : <1x64xf32>
  %y = step.alloc at 256 : <1x64xf32>
  step.phase "embed" over rows {
    %w = lathe.weight @embd : tensor<40x64xf32>
    %e = lathe.embed %rows, %w : tensor<40x64xf32> -> tensor<?x64xf32>
    step.store %e, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.phase "head" over columns {
    // expected-error@below {{nothing was stored in this buffer before, or another buffer was stored over it}}
    %h = step.load %y : <1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @embd : tensor<40x64xf32>
    %l = lathe.linear %h, %w : tensor<?x64xf32>, tensor<40x64xf32> -> tensor<?x40xf32>
    step.store %l, %logits : tensor<?x40xf32>, !step.buffer<1x40xf32>
  }
}

// -----

lathe.weights @embd : tensor<40x64xf32> from "e"

step.program @buffers_share_bytes max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x40xf32>) {
  %x = step.alloc at 0 : <1x64xf32>
  %y = step.alloc at 128 : <1x64xf32>
  step.phase "embed" over rows {
    %w = lathe.weight @embd : tensor<40x64xf32>
    %e = lathe.embed %rows, %w : tensor<40x64xf32> -> tensor<?x64xf32>
    step.store %e, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.phase "silu" over rows {
    %h = step.load %x : <1x64xf32> -> tensor<?x64xf32>
    %s = lathe.silu %h : tensor<?x64xf32>
    step.store %s, %y : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.phase "head" over columns {
    // expected-error@below {{nothing was stored in this buffer before, or another buffer was stored over it}}
    %h = step.load %x : <1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @embd : tensor<40x64xf32>
    %l = lathe.linear %h, %w : tensor<?x64xf32>, tensor<40x64xf32> -> tensor<?x40xf32>
    step.store %l, %logits : tensor<?x40xf32>, !step.buffer<1x40xf32>
  }
}

// -----

lathe.weights @embd : tensor<40x64xf32> from "e"

step.program @nothing_ahead_of_the_stack max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x40xf32>) {
  // expected-note@below {{the buffer}}
  %x = step.alloc at 0 : <1x64xf32>
  // expected-error@below {{a buffer is loaded in a round of the stack or behind it, but at the start or the end of a round it holds nothing}}
  step.layers %i = 0 to 2 {
    step.barrier
    step.phase "silu" over rows {
      %h = step.load %x : <1x64xf32> -> tensor<?x64xf32>
      %s = lathe.silu %h : tensor<?x64xf32>
      step.store %s, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// -----

lathe.weights @embd : tensor<40x64xf32> from "e"

// expected-error@below {{nothing stores the logits}}
step.program @no_logits max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x40xf32>) {
  %x = step.alloc at 0 : <1x64xf32>
  step.phase "embed" over rows {
    %w = lathe.weight @embd : tensor<40x64xf32>
    %e = lathe.embed %rows, %w : tensor<40x64xf32> -> tensor<?x64xf32>
    step.store %e, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}
