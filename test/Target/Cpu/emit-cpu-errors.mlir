// RUN: lathe-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect --lathe-emit-cpu=target=x86-64-v3
// RUN: not lathe-opt %s --split-input-file --allow-unregistered-dialect --lathe-emit-cpu=target=riscv64 2>&1 | FileCheck %s

// CHECK: error: unknown CPU target 'riscv64', expected host, x86-64-v3, x86-64-v4

// A contraction has tiles of columns, so no code makes it row by row.
lathe.weights @w : tensor<32x32xf32> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.phase "rows" over rows {
    %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
    %w = lathe.weight @w : tensor<32x32xf32>
    // expected-error@+1 {{no code for 'lathe.linear' in a phase over rows}}
    %1 = lathe.linear %0, %w : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// An op of another dialect has no code.
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.phase "foreign" over rows {
    %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
    // expected-error@+1 {{no code for 'v' in a phase over rows}}
    %1 = "v"(%0) : (tensor<?x32xf32>) -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Attention in the middle of a contraction's tiles; everything that has no code is told at once.
lathe.weights @w : tensor<32x32xf32> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.layers %i = 0 to 1 {
    step.phase "columns" over columns {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      %w = lathe.weight @w : tensor<32x32xf32>
      %1 = lathe.linear %0, %w : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
      %2 = lathe.split_heads %1 : tensor<?x32xf32> -> tensor<?x1x32xf32>
      // expected-error@+1 {{no code for 'lathe.attention' behind a contraction}}
      %3 = lathe.attention %2, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x1x32xf32>, !lathe.kv<1 x 1 x 32 x f32>
      // expected-error@+1 {{no code for 'lathe.attention' behind a contraction}}
      %4 = lathe.attention %3, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x1x32xf32>, !lathe.kv<1 x 1 x 32 x f32>
      %5 = lathe.merge_heads %4 : tensor<?x1x32xf32> -> tensor<?x32xf32>
      step.store %5, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}

// -----

// The tiles of a phase are those of its contractions.
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.phase "columns" over columns {
    %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
    %1 = lathe.silu %0 : tensor<?x32xf32>
    // expected-error@+1 {{a phase over columns computes this without a contraction}}
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// A cache write takes keys and values together, tile by tile.
lathe.weights @k : tensor<32x32xf32> from "k"
lathe.weights @q : tensor<64x32xf32> from "q"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.phase "uneven" over columns {
    %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
    %wk = lathe.weight @k : tensor<32x32xf32>
    %wq = lathe.weight @q : tensor<64x32xf32>
    %1 = lathe.linear %0, %wk : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
    // expected-error@+1 {{contractions that share an epilogue must have the same number of outputs, got 32 and 64}}
    %2 = lathe.linear %0, %wq : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
    %3 = "v"(%1, %2) : (tensor<?x32xf32>, tensor<?x64xf32>) -> tensor<?x32xf32>
    step.store %3, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Only attention has tiles of heads.
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  // expected-error@+1 {{no emitter of the CPU target matches this phase}}
  step.phase "heads" over heads {
    %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
    %1 = lathe.silu %0 : tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// A head whose weights have no coarse part.
lathe.weights @h : tensor<96x64x!lathe.q8_0> from "h"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x96xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "head" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @h : tensor<96x64x!lathe.q8_0>
    // expected-error@+1 {{no coarse code for weights of type '!lathe.q8_0'}}
    %1 = lathe.head_topk %0, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
    step.store %1, %logits : tensor<?x96xf32>, !step.buffer<1x96xf32>
  }
}

// -----

// A head of more rows than its report has bits for.
lathe.weights @h : tensor<96x64x!lathe.q8_0_planes4> from "h"
step.program @decode max_rows = 64 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<64x96xf32>) {
  %x = step.alloc at 0 : !step.buffer<64x64x!lathe.q8_act>
  step.phase "head" over columns {
    %0 = step.load %x : !step.buffer<64x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @h : tensor<96x64x!lathe.q8_0_planes4>
    // expected-error@+1 {{there is code for programs of up to 63 rows, got 64}}
    %1 = lathe.head_topk %0, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
    step.store %1, %logits : tensor<?x96xf32>, !step.buffer<64x96xf32>
  }
}

// -----

// Somebody computes with the results of a head that may have left some out.
lathe.weights @h : tensor<96x64x!lathe.q8_0_planes4> from "h"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x96xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "head" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @h : tensor<96x64x!lathe.q8_0_planes4>
    // expected-error@+1 {{the result must be stored as the logits alone}}
    %1 = lathe.head_topk %0, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
    %2 = lathe.silu %1 : tensor<?x96xf32>
    step.store %2, %logits : tensor<?x96xf32>, !step.buffer<1x96xf32>
  }
}

// -----

// The scale of a whole row, where only columns of it are known.
lathe.weights @w : tensor<32x64xf32> from "w"
step.program @prefill max_rows = 16 arena = 8192 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<16x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<16x64xf32>
  %q = step.alloc at 4096 : !step.buffer<16x32x!lathe.q16_act>
  step.phase "up" over columns {
    %0 = step.load %x : !step.buffer<16x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @w : tensor<32x64xf32>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
    // expected-error@+1 {{no code for rows of '!lathe.q16_act' behind a contraction}}
    %2 = lathe.quantize %1 : tensor<?x32xf32> -> tensor<?x32x!lathe.q16_act>
    step.store %2, %q : tensor<?x32x!lathe.q16_act>, !step.buffer<16x32x!lathe.q16_act>
  }
}
