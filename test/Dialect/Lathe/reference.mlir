// The reference form of functions: which arguments stand for what, and what becomes of structure.
// What the ops mean in numbers is tested by test/conformance/reference_ops.py.
// RUN: lathe-opt %s --lathe-to-reference | FileCheck %s

// CHECK-NOT: lathe.
lathe.weights @norm : tensor<64xf32> from "norm.weight"
lathe.weights @up : [1, 3] x tensor<64x64x!lathe.q4_1> from "blk.{}.up.weight"
lathe.weights @down : 2 x tensor<64x64xf16> from "blk.{}.down.weight"

// Rows are seven tensors and a cache is two; the weights come last, stacked where they are layered.
// CHECK-LABEL: func.func @signature(
// CHECK-SAME:    %arg0: tensor<?xi32>, %arg1: tensor<?xi32>, %arg2: tensor<?xi32>, %arg3: tensor<?xi32>,
// CHECK-SAME:    %arg4: tensor<?xi32>, %arg5: tensor<?xf32>, %arg6: tensor<?xi32>,
// CHECK-SAME:    %arg7: tensor<4x?x?x1x32xf32>, %arg8: tensor<4x?x?x1x32xf32>,
// CHECK-SAME:    %arg9: tensor<?x64xf32>,
// CHECK-SAME:    %arg10: tensor<64xf32>, %arg11: tensor<2x64x64xf32>, %arg12: tensor<2x64x64xf32>)
// CHECK-SAME:    -> (tensor<?x64xf32>, tensor<4x?x?x1x32xf32>, tensor<4x?x?x1x32xf32>)
// CHECK-NEXT:    return %arg9, %arg7, %arg8
func.func @signature(%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f16>, %x: tensor<?x64xbf16>)
    -> (tensor<?x64xbf16>, !lathe.kv<4 x 1 x 32 x f16>) {
  return %x, %kv : tensor<?x64xbf16>, !lathe.kv<4 x 1 x 32 x f16>
}

// The stack is a loop; a weight that some layers lack is found through a table.
// CHECK-LABEL: func.func @stack(
// CHECK-SAME:    %[[X:.*]]: tensor<?x64xf32>, %{{.*}}: tensor<64xf32>, %[[UP:.*]]: tensor<2x64x64xf32>, %[[DOWN:.*]]: tensor<2x64x64xf32>)
// CHECK:         scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[H:.*]] = %[[X]])
// CHECK:           %[[BODIES:.*]] = arith.constant dense<[1, 0]> : tensor<2xi64>
// CHECK:           %[[BODY:.*]] = tensor.extract %[[BODIES]][%[[I]]]
// CHECK:           scf.index_switch
// CHECK:           case 0
// CHECK:             arith.constant dense<[0, 0, 0, 1]> : tensor<4xi64>
// CHECK:             tensor.extract_slice %[[UP]][%{{.*}}, 0, 0] [1, 64, 64] [1, 1, 1]
// CHECK:           default
// CHECK:             tensor.extract_slice %[[DOWN]]
func.func @stack(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) select [1, 0] : tensor<?x64xf32> {
    %w = lathe.weight @up[%i] : tensor<64x64x!lathe.q4_1>
    %y = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %w = lathe.weight @down[%i] : tensor<64x64xf16>
    %y = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// A group is its content, and upstream ops mean themselves.
// CHECK-LABEL: func.func @beside_upstream(
// CHECK-SAME:    %[[X:.*]]: tensor<?x64xf32>, %[[NORM:.*]]: tensor<64xf32>,
// CHECK:         %[[SUM:.*]] = linalg.generic
// CHECK:           arith.addf
// CHECK:         linalg.exp ins(%[[SUM]] : tensor<?x64xf32>) outs(%[[X]] : tensor<?x64xf32>)
func.func @beside_upstream(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.group "g" -> tensor<?x64xf32> {
    %w = lathe.weight @norm : tensor<64xf32>
    %y = lathe.bias %x, %w : tensor<?x64xf32>, tensor<64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  %1 = linalg.exp ins(%0 : tensor<?x64xf32>) outs(%x : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}

// A contraction is a linalg contraction.
// CHECK-LABEL: func.func @contraction(
// CHECK:         linalg.fill
// CHECK:         linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg0, %arg1 : tensor<?x64xf32>, tensor<32x64xf32>)
// CHECK:           arith.mulf
// CHECK:           arith.addf
func.func @contraction(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<32x64x!lathe.q4_0>) -> tensor<?x32xf32> {
  %0 = lathe.linear %x, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_0> -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// A layer that the rows leave out, or that no step runs, gives what it was given.
// CHECK-LABEL: func.func @chosen(
// CHECK-SAME:    %[[X:.*]]: tensor<?x64xf32>, %{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?xi32>, %[[RUNS:[^ ]*]]: tensor<?xi32>, %{{[^ ]*}}: tensor<?xf32>, %{{[^ ]*}}: tensor<?xi32>,
// CHECK:         scf.for %[[I:.*]] = %{{.*}} iter_args(%[[H:.*]] = %[[X]])
// CHECK:           %[[FLAG:.*]] = tensor.extract %[[RUNS]][%[[I]]]
// CHECK:           %[[ASKED:.*]] = arith.cmpi ne, %[[FLAG]]
// CHECK:           %[[KEPT:.*]] = arith.constant dense<[1, 0, 1]> : tensor<3xi32>
// CHECK:           %[[GOES:.*]] = arith.andi %[[ASKED]]
// CHECK:           %[[Y:.*]] = scf.if %[[GOES]]
// CHECK:           } else {
// CHECK-NEXT:        scf.yield %[[H]]
// CHECK:           scf.yield %[[Y]]
func.func @chosen(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows skip [1] : tensor<?x64xf32> {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// A head that may leave results out leaves none out: it means a contraction.
// CHECK-LABEL: func.func @head(
// CHECK:         linalg.fill
// CHECK:         linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg0, %arg1 : tensor<?x64xf32>, tensor<32x64xf32>)
// CHECK:           arith.mulf
// CHECK:           arith.addf
func.func @head(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<32x64x!lathe.q8_0_planes5>) -> tensor<?x32xf32> {
  %0 = lathe.head_topk %x, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q8_0_planes5> -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}
