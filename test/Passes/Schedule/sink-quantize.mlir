// What only quantises the rows of contractions becomes their epilogue.
// RUN: lathe-opt %s --split-input-file --pass-pipeline='builtin.module(step.program(lathe-sink-quantize))' | FileCheck %s

lathe.weights @up : 2 x tensor<96x64x!lathe.q4_0> from "blk.{}.u"
lathe.weights @gate : 2 x tensor<96x64x!lathe.q4_0> from "blk.{}.g"
lathe.weights @down : 2 x tensor<64x96x!lathe.q4_0> from "blk.{}.d"

// CHECK-LABEL: step.program @int8
// CHECK-NOT:     step.alloc : <16x96xf32>
// CHECK:         %[[Q:.*]] = step.alloc : <16x96x!lathe.q8_act>
// CHECK:         step.phase "up" over columns {
// CHECK:           %[[M:.*]] = lathe.mul
// CHECK-NEXT:      %[[R:.*]] = lathe.quantize %[[M]]
// CHECK-NEXT:      step.store %[[R]], %[[Q]]
// CHECK-NEXT:    }
// CHECK-NOT:     step.phase "down.in"
// CHECK:         step.phase "down" over columns {
// CHECK-NEXT:      step.load %[[Q]]
step.program @int8 max_rows = 16 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<16x64xf32>) {
  %x = step.alloc : !step.buffer<16x64x!lathe.q8_act>
  %u = step.alloc : !step.buffer<16x96xf32>
  %q = step.alloc : !step.buffer<16x96x!lathe.q8_act>
  step.layers %i = 0 to 2 {
    step.phase "up" over columns {
      %0 = step.load %x : !step.buffer<16x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
      %w = lathe.weight @up[%i] : tensor<96x64x!lathe.q4_0>
      %g = lathe.weight @gate[%i] : tensor<96x64x!lathe.q4_0>
      %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q4_0> -> tensor<?x96xf32>
      %2 = lathe.linear %0, %g : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q4_0> -> tensor<?x96xf32>
      %3 = lathe.silu %2 : tensor<?x96xf32>
      %4 = lathe.mul %1, %3 : tensor<?x96xf32>
      step.store %4, %u : tensor<?x96xf32>, !step.buffer<16x96xf32>
    }
    step.phase "down.in" over rows {
      %0 = step.load %u : !step.buffer<16x96xf32> -> tensor<?x96xf32>
      %1 = lathe.quantize %0 : tensor<?x96xf32> -> tensor<?x96x!lathe.q8_act>
      step.store %1, %q : tensor<?x96x!lathe.q8_act>, !step.buffer<16x96x!lathe.q8_act>
    }
    step.phase "down" over columns {
      %0 = step.load %q : !step.buffer<16x96x!lathe.q8_act> -> tensor<?x96x!lathe.q8_act>
      %w = lathe.weight @down[%i] : tensor<64x96x!lathe.q4_0>
      %1 = lathe.linear %0, %w : tensor<?x96x!lathe.q8_act>, tensor<64x96x!lathe.q4_0> -> tensor<?x64xf32>
      step.store %1, %logits : tensor<?x64xf32>, !step.buffer<16x64xf32>
    }
  }
}

// -----

// bf16 as well; of nothing but one contraction.
lathe.weights @up : tensor<96x64xf32> from "u"

// CHECK-LABEL: step.program @bf16
// CHECK:         step.phase "up" over columns {
// CHECK:           %[[L:.*]] = lathe.linear
// CHECK-NEXT:      lathe.quantize %[[L]] : tensor<?x96xf32> -> tensor<?x96xbf16>
// CHECK-NOT:     step.phase "down.in"
step.program @bf16 max_rows = 16 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<16x96xf32>) {
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
}
