// Phases that must stay, because others need the rows, or the epilogue has no place for them.
// RUN: lathe-opt %s --split-input-file --pass-pipeline='builtin.module(step.program(lathe-sink-quantize))' | FileCheck %s

lathe.weights @up : tensor<96x64xf32> from "u"

// Somebody else reads the rows of f32.
// CHECK-LABEL: step.program @read_twice
// CHECK:         step.phase "down.in" over rows {
step.program @read_twice max_rows = 16 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<16x96xf32>) {
  %x = step.alloc : !step.buffer<16x64xf32>
  %u = step.alloc : !step.buffer<16x96xf32>
  %q = step.alloc : !step.buffer<16x96xbf16>
  step.phase "up" over columns {
    %0 = step.load %x : !step.buffer<16x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @up : tensor<96x64xf32>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    step.store %1, %u : tensor<?x96xf32>, !step.buffer<16x96xf32>
  }
  step.phase "down.in" over rows {
    %0 = step.load %u : !step.buffer<16x96xf32> -> tensor<?x96xf32>
    %1 = lathe.quantize %0 : tensor<?x96xf32> -> tensor<?x96xbf16>
    step.store %1, %q : tensor<?x96xbf16>, !step.buffer<16x96xbf16>
  }
  step.phase "copy" over rows {
    %0 = step.load %u : !step.buffer<16x96xf32> -> tensor<?x96xf32>
    step.store %0, %logits : tensor<?x96xf32>, !step.buffer<16x96xf32>
  }
}

// -----

// The scale is of the whole row.
lathe.weights @up : tensor<96x64xf32> from "u"

// CHECK-LABEL: step.program @int16
// CHECK:         step.phase "down.in" over rows {
step.program @int16 max_rows = 16 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<16x96xf32>) {
  %x = step.alloc : !step.buffer<16x64xf32>
  %u = step.alloc : !step.buffer<16x96xf32>
  %q = step.alloc : !step.buffer<16x96x!lathe.q16_act>
  step.phase "up" over columns {
    %0 = step.load %x : !step.buffer<16x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @up : tensor<96x64xf32>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    step.store %1, %u : tensor<?x96xf32>, !step.buffer<16x96xf32>
  }
  step.phase "down.in" over rows {
    %0 = step.load %u : !step.buffer<16x96xf32> -> tensor<?x96xf32>
    %1 = lathe.quantize %0 : tensor<?x96xf32> -> tensor<?x96x!lathe.q16_act>
    step.store %1, %q : tensor<?x96x!lathe.q16_act>, !step.buffer<16x96x!lathe.q16_act>
  }
}

// -----

// A norm needs the whole row first.
lathe.weights @up : tensor<96x64xf32> from "u"
lathe.weights @norm : tensor<96xf32> from "n"

// CHECK-LABEL: step.program @normed
// CHECK:         step.phase "down.in" over rows {
step.program @normed max_rows = 16 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<16x96xf32>) {
  %x = step.alloc : !step.buffer<16x64xf32>
  %u = step.alloc : !step.buffer<16x96xf32>
  %q = step.alloc : !step.buffer<16x96xbf16>
  step.phase "up" over columns {
    %0 = step.load %x : !step.buffer<16x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @up : tensor<96x64xf32>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    step.store %1, %u : tensor<?x96xf32>, !step.buffer<16x96xf32>
  }
  step.phase "down.in" over rows {
    %0 = step.load %u : !step.buffer<16x96xf32> -> tensor<?x96xf32>
    %n = lathe.weight @norm : tensor<96xf32>
    %1 = lathe.rms_norm %0, %n {eps = 1.0e-5 : f32} : tensor<?x96xf32>, tensor<96xf32>
    %2 = lathe.quantize %1 : tensor<?x96xf32> -> tensor<?x96xbf16>
    step.store %2, %q : tensor<?x96xbf16>, !step.buffer<16x96xbf16>
  }
}

// -----

// Rows that want logits are others than those that the contraction gives.
lathe.weights @up : tensor<96x64xf32> from "u"

// CHECK-LABEL: step.program @logits_rows
// CHECK:         step.phase "down.in" over rows logits_rows {
step.program @logits_rows max_rows = 16 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<16x96xf32>) {
  %x = step.alloc : !step.buffer<16x64xf32>
  %u = step.alloc : !step.buffer<16x96xf32>
  %q = step.alloc : !step.buffer<16x96xbf16>
  step.phase "up" over columns {
    %0 = step.load %x : !step.buffer<16x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @up : tensor<96x64xf32>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    step.store %1, %u : tensor<?x96xf32>, !step.buffer<16x96xf32>
  }
  step.phase "down.in" over rows logits_rows {
    %0 = step.load %u : !step.buffer<16x96xf32> -> tensor<?x96xf32>
    %1 = lathe.quantize %0 : tensor<?x96xf32> -> tensor<?x96xbf16>
    step.store %1, %q : tensor<?x96xbf16>, !step.buffer<16x96xbf16>
  }
}
