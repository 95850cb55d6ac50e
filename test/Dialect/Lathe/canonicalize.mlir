// What upstream's clean-up may do with the ops: they are values without side effects.
// RUN: lathe-opt %s --canonicalize --cse --symbol-dce | FileCheck %s

// A declaration that nothing names goes when it is private, and stays when it is not.
// CHECK-NOT: @unused
// CHECK:     lathe.weights @public
// CHECK:     lathe.weights @w
lathe.weights @unused : tensor<64xf32> from "unused" {sym_visibility = "private"}
lathe.weights @public : tensor<64xf32> from "public"
lathe.weights @w : 3 x tensor<64x64x!lathe.q4_0> from "blk.{}.w"

// Heads that are split and merged again were never needed.
// CHECK-LABEL: func.func @merge_of_split(
// CHECK-SAME:    %[[X:.*]]: tensor<?x64xf32>
// CHECK-NEXT:    return %[[X]]
func.func @merge_of_split(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.split_heads %x : tensor<?x64xf32> -> tensor<?x2x32xf32>
  %1 = lathe.merge_heads %0 : tensor<?x2x32xf32> -> tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}

// And heads that are merged and split again.
// CHECK-LABEL: func.func @split_of_merge(
// CHECK-SAME:    %[[X:.*]]: tensor<?x2x32xf32>
// CHECK-NEXT:    return %[[X]]
func.func @split_of_merge(%x: tensor<?x2x32xf32>) -> tensor<?x2x32xf32> {
  %0 = lathe.merge_heads %x : tensor<?x2x32xf32> -> tensor<?x64xf32>
  %1 = lathe.split_heads %0 : tensor<?x64xf32> -> tensor<?x2x32xf32>
  return %1 : tensor<?x2x32xf32>
}

// Other heads than were merged are other values.
// CHECK-LABEL: func.func @other_heads(
// CHECK:         lathe.merge_heads
// CHECK:         %[[HEADS:.*]] = lathe.split_heads
// CHECK:         return %[[HEADS]]
func.func @other_heads(%x: tensor<?x2x32xf32>) -> tensor<?x4x16xf32> {
  %0 = lathe.merge_heads %x : tensor<?x2x32xf32> -> tensor<?x64xf32>
  %1 = lathe.split_heads %0 : tensor<?x64xf32> -> tensor<?x4x16xf32>
  return %1 : tensor<?x4x16xf32>
}

// What is not used is not computed, a whole stack included.
// CHECK-LABEL: func.func @dead(
// CHECK-NEXT:    return
func.func @dead(%rows: !lathe.rows, %x: tensor<?x64xf32>) {
  %0 = lathe.rope_table %rows {base = 1.0e+04 : f64} : tensor<?x16x2xf32>
  %1 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x64xf32> {
    %2 = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %2 : tensor<?x64xf32>
  }
  %3 = lathe.group "dead" -> tensor<?x64xf32> {
    %4 = lathe.add %1, %x : tensor<?x64xf32>
    lathe.yield %4 : tensor<?x64xf32>
  }
  return
}

// A cache that nobody reads again need not be written: its state is a value.
// CHECK-LABEL: func.func @dead_append(
// CHECK-NEXT:    return
func.func @dead_append(%kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %k: tensor<?x2x32xf32>, %rows: !lathe.rows) {
  %0 = lathe.kv_append %kv[%i], %k, %k at %rows : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x32xf32>
  return
}

// A weight that is named twice is one value; weights of two layers are two.
// CHECK-LABEL: func.func @same_weight(
// CHECK:         %[[ONE:.*]] = lathe.weight @w[%arg1]
// CHECK-NEXT:    %[[TWO:.*]] = lathe.weight @w[%arg2]
// CHECK-NEXT:    %[[A:.*]] = lathe.linear %arg0, %[[ONE]]
// CHECK-NEXT:    %[[B:.*]] = lathe.linear %[[A]], %[[ONE]]
// CHECK-NEXT:    lathe.linear %[[B]], %[[TWO]]
func.func @same_weight(%x: tensor<?x64xf32>, %i: index, %j: index) -> tensor<?x64xf32> {
  %0 = lathe.weight @w[%i] : tensor<64x64x!lathe.q4_0>
  %1 = lathe.weight @w[%i] : tensor<64x64x!lathe.q4_0>
  %2 = lathe.weight @w[%j] : tensor<64x64x!lathe.q4_0>
  %3 = lathe.linear %x, %0 : tensor<?x64xf32>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
  %4 = lathe.linear %3, %1 : tensor<?x64xf32>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
  %5 = lathe.linear %4, %2 : tensor<?x64xf32>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
  return %5 : tensor<?x64xf32>
}

// Sums that differ in the order of their operands are one.
// CHECK-LABEL: func.func @commutative(
// CHECK:         %[[SUM:.*]] = lathe.add
// CHECK-NEXT:    lathe.mul %[[SUM]], %[[SUM]]
func.func @commutative(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.add %x, %y : tensor<?x64xf32>
  %1 = lathe.add %y, %x : tensor<?x64xf32>
  %2 = lathe.mul %0, %1 : tensor<?x64xf32>
  return %2 : tensor<?x64xf32>
}

// Norms that differ in eps are two.
// CHECK-LABEL: func.func @different_attributes(
// CHECK-COUNT-2: lathe.rms_norm
func.func @different_attributes(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %1 = lathe.rms_norm %x, %w {eps = 1.0e-06 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %2 = lathe.add %0, %1 : tensor<?x64xf32>
  return %2 : tensor<?x64xf32>
}
