// The loop over the stack, as text, in generic form and as bytecode.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// One body for all layers.
// CHECK-LABEL: func.func @one_body(
// CHECK-SAME:    %[[X:.*]]: tensor<?x64xf32>
// CHECK:         %{{.*}} = lathe.layers %[[I:.*]] = 0 to 30 (%[[H:.*]] = %[[X]]) : tensor<?x64xf32> {
// CHECK:           %[[Y:.*]] = lathe.add %[[H]], %[[X]]
// CHECK:           lathe.yield %[[Y]] : tensor<?x64xf32>
// CHECK:         }
func.func @one_body(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 30 (%h = %x) : tensor<?x64xf32> {
    %y = lathe.add %h, %x : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Bodies share the names of what is carried; several values are carried at once.
// CHECK-LABEL: func.func @bodies(
// CHECK:         %{{.*}}:2 = lathe.layers %[[I:.*]] = 0 to 3 (%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}}) select [0, 1, 0] : tensor<?x64xf32>, tensor<?x32xf32> {
// CHECK:           lathe.yield %[[A]], %[[B]]
// CHECK:         }, {
// CHECK:           %[[C:.*]] = lathe.silu %[[A]]
// CHECK:           lathe.yield %[[C]], %[[B]]
// CHECK:         } {note = "kept"}
func.func @bodies(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>) -> (tensor<?x64xf32>, tensor<?x32xf32>) {
  %0:2 = lathe.layers %i = 0 to 3 (%a = %x, %b = %y) select [0, 1, 0] : tensor<?x64xf32>, tensor<?x32xf32> {
    lathe.yield %a, %b : tensor<?x64xf32>, tensor<?x32xf32>
  }, {
    %c = lathe.silu %a : tensor<?x64xf32>
    lathe.yield %c, %b : tensor<?x64xf32>, tensor<?x32xf32>
  } {note = "kept"}
  return %0#0, %0#1 : tensor<?x64xf32>, tensor<?x32xf32>
}

// One body may be selected by name, too.
// CHECK-LABEL: func.func @select_one(
// CHECK:         select [0, 0] : tensor<?x64xf32> {
func.func @select_one(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) select [0, 0] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Rows choose the layers of their step; others never run.
// CHECK-LABEL: func.func @chosen(
// CHECK-SAME:    %[[X:.*]]: tensor<?x64xf32>, %[[ROWS:.*]]: !lathe.rows
// CHECK:         lathe.layers %{{.*}} = 0 to 4 (%{{.*}} = %[[X]]) at %[[ROWS]] select [0, 1, 0, 0] skip [1, 3] : tensor<?x64xf32> {
func.func @chosen(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 4 (%h = %x) at %rows select [0, 1, 0, 0] skip [1, 3] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }, {
    %c = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %c : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
