// The ops and the type of the schedule level, as text, in generic form and as bytecode.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

lathe.weights @table : tensor<96x64x!lathe.q8_0> from "table"
lathe.weights @w : 2 x tensor<64x64x!lathe.q4_0> from "blk.{}.w"
lathe.weights @norm : 2 x tensor<64xf32> from "blk.{}.norm"

// Rows, cache and logits are the caller's; their names are kept for whoever reads the program.
// CHECK-LABEL: step.program @program max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
step.program @program max_rows = 8 (%r: !lathe.rows, %c: !lathe.kv<2 x 2 x 32 x f16>, %l: !step.buffer<8x96xf32>) {
  // Buffers of every element type, before memory is planned.
  // CHECK: %[[X:.*]] = step.alloc : <8x64xf32>
  // CHECK: %{{.*}} = step.alloc : <8x64xbf16>
  // CHECK: %[[Q:.*]] = step.alloc : <8x64x!lathe.q8_act>
  // CHECK: %[[H:.*]] = step.alloc : <8x2x32xf32>
  %x = step.alloc : !step.buffer<8x64xf32>
  %b = step.alloc : !step.buffer<8x64xbf16>
  %q = step.alloc : !step.buffer<8x64x!lathe.q8_act>
  %h = step.alloc : !step.buffer<8x2x32xf32>
  // CHECK: step.phase "embed" over rows {
  // CHECK:   step.store %{{.*}}, %[[X]] : tensor<?x64xf32>, !step.buffer<8x64xf32>
  // CHECK: }
  step.phase "embed" over rows {
    %0 = lathe.weight @table : tensor<96x64x!lathe.q8_0>
    %1 = lathe.embed %r, %0 : tensor<96x64x!lathe.q8_0> -> tensor<?x64xf32>
    step.store %1, %x : tensor<?x64xf32>, !step.buffer<8x64xf32>
  }
  // CHECK: step.barrier
  step.barrier
  // CHECK: step.layers %[[I:.*]] = 0 to 2 {
  step.layers %i = 0 to 2 {
    // A row of int8 blocks is one value.
    // CHECK: step.phase "in" over rows {
    // CHECK:   step.load %[[X]] : <8x64xf32> -> tensor<?x64xf32>
    // CHECK:   lathe.weight @norm[%[[I]]]
    // CHECK:   step.store %{{.*}}, %[[Q]] : tensor<?x64x!lathe.q8_act>, !step.buffer<8x64x!lathe.q8_act>
    step.phase "in" over rows {
      %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
      %1 = lathe.weight @norm[%i] : tensor<64xf32>
      %2 = lathe.rms_norm %0, %1 {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
      %3 = lathe.quantize %2 : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
      step.store %3, %q : tensor<?x64x!lathe.q8_act>, !step.buffer<8x64x!lathe.q8_act>
    }
    // A cache is its own destination: the update is in place.
    // CHECK: step.phase "qkv" over columns {
    // CHECK:   %[[NEW:.*]] = lathe.kv_append %kv[%[[I]]]
    // CHECK:   step.store %[[NEW]], %kv : !lathe.kv<2 x 2 x 32 x f16>, !lathe.kv<2 x 2 x 32 x f16>
    step.phase "qkv" over columns {
      %0 = step.load %q : !step.buffer<8x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
      %1 = lathe.weight @w[%i] : tensor<64x64x!lathe.q4_0>
      %2 = lathe.linear %0, %1 : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
      %3 = lathe.split_heads %2 : tensor<?x64xf32> -> tensor<?x2x32xf32>
      %4 = lathe.kv_append %c[%i], %3, %3 at %r : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x32xf32>
      step.store %3, %h : tensor<?x2x32xf32>, !step.buffer<8x2x32xf32>
      step.store %4, %c : !lathe.kv<2 x 2 x 32 x f16>, !lathe.kv<2 x 2 x 32 x f16>
    }
    // CHECK: step.phase "attention" over heads {
    // CHECK:   step.load %[[H]] : <8x2x32xf32> -> tensor<?x2x32xf32>
    step.phase "attention" over heads {
      %0 = step.load %h : !step.buffer<8x2x32xf32> -> tensor<?x2x32xf32>
      %1 = lathe.attention %0, %c[%i] at %r {scale = 0.125 : f32} : tensor<?x2x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
      %2 = lathe.merge_heads %1 : tensor<?x2x32xf32> -> tensor<?x64xf32>
      step.store %2, %x : tensor<?x64xf32>, !step.buffer<8x64xf32>
    }
  }
  // The last phase is for the rows that want logits only.
  // CHECK: step.phase "logits" over columns logits_rows {
  // CHECK:   step.store %{{.*}}, %logits : tensor<?x96xf32>, !step.buffer<8x96xf32>
  // CHECK: } {note = "kept"}
  step.phase "logits" over columns logits_rows {
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    %1 = lathe.select_logits %0, %r : tensor<?x64xf32>
    %2 = lathe.weight @table : tensor<96x64x!lathe.q8_0>
    %3 = lathe.linear %1, %2 : tensor<?x64xf32>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
    step.store %3, %l : tensor<?x96xf32>, !step.buffer<8x96xf32>
  } {note = "kept"}
}

// A planned program says how large its arena is, the lower bound, and where each buffer lies.
// CHECK-LABEL: step.program @planned max_rows = 1 arena = 512 bound = 256 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x96xf32>) attributes {note = "kept"} {
// CHECK-NEXT:    step.alloc at 0 : <1x64xf32>
// CHECK-NEXT:    step.alloc at 256 : <1x64xf32>
step.program @planned max_rows = 1 arena = 512 bound = 256 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x96xf32>) attributes {note = "kept"} {
  %0 = step.alloc at 0 : !step.buffer<1x64xf32>
  %1 = step.alloc at 256 : !step.buffer<1x64xf32>
}

// Layers that differ run the body that select names; every body counts by the same name.
// CHECK-LABEL: step.program @bodies
// CHECK:         step.layers %[[I:.*]] = 0 to 3 select [0, 1, 0] {
// CHECK-NEXT:      step.barrier
// CHECK-NEXT:    }, {
// CHECK-NEXT:    } {note = "kept"}
step.program @bodies max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x96xf32>) {
  step.layers %i = 0 to 3 select [0, 1, 0] {
    step.barrier
  }, {
  } {note = "kept"}
}

// Rows choose the layers of their step; others never run.
// CHECK-LABEL: step.program @chosen
// CHECK:         step.layers %{{.*}} = 0 to 3 at %rows select [0, 0, 0] skip [1] {
step.program @chosen max_rows = 8 (%r: !lathe.rows, %c: !lathe.kv<3 x 2 x 32 x f16>, %l: !step.buffer<8x96xf32>) {
  step.layers %i = 0 to 3 at %r select [0, 0, 0] skip [1] {
    step.barrier
  }
}

// A function on tensors: inputs, results and their names.
// CHECK-LABEL: step.program @function max_rows = 8
// CHECK-SAME: (%[[X:.*]]: !step.buffer<8x64xf32>) -> (%[[Y:.*]]: !step.buffer<8xf32>, %[[W:.*]]: !step.buffer<4x4xf32, whole>) attributes {names = ["x", "y", "w"]} {
step.program @function max_rows = 8 (%x: !step.buffer<8x64xf32>) -> (%y: !step.buffer<8xf32>, %w: !step.buffer<4x4xf32, whole>) attributes {names = ["x", "y", "w"]} {
  // CHECK-NEXT: step.phase "sum" over rows {
  // CHECK-NEXT: step.load %[[X]] : <8x64xf32> -> tensor<?x64xf32>
  // CHECK: step.store %{{.*}}, %[[Y]] : tensor<?xf32>, !step.buffer<8xf32>
  step.phase "sum" over rows {
    %v = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    %c0 = arith.constant 0 : index
    %n = tensor.dim %v, %c0 : tensor<?x64xf32>
    %e = tensor.empty(%n) : tensor<?xf32>
    %s = linalg.reduce { arith.addf } ins(%v : tensor<?x64xf32>) outs(%e : tensor<?xf32>) dimensions = [1]
    step.store %s, %y : tensor<?xf32>, !step.buffer<8xf32>
  }
  // CHECK: step.phase "whole" over whole {
  step.phase "whole" over whole {
    %e = tensor.empty() : tensor<4x4xf32>
    // CHECK: step.store %{{.*}}, %[[W]] : tensor<4x4xf32>, !step.buffer<4x4xf32, whole>
    step.store %e, %w : tensor<4x4xf32>, !step.buffer<4x4xf32, whole>
  }
}
