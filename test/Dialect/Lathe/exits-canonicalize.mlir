// What nobody leaves is a stack without exits, and bodies that are the same are one.
// RUN: lathe-opt %s --canonicalize | FileCheck %s

// Layers 0 and 2 share a body; body 3 is the same but for its location.
// CHECK-LABEL: func.func @same_bodies(
// CHECK:       select [0, 1, 0, 1] : tensor<?x64xf32> {
// CHECK:         lathe.silu
// CHECK:       }, {
// CHECK:         lathe.gelu_tanh
// CHECK-NOT:   }, {
func.func @same_bodies(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 4 (%h = %x) select [0, 1, 3, 2] : tensor<?x64xf32> {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %y = lathe.gelu_tanh %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %y = lathe.gelu_tanh %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// One that may be left is another than one that may not.
// CHECK-LABEL: func.func @exit(
// CHECK:       select [0, 1, 0] behind none : tensor<?x64xf32> {
// CHECK:       }, {
// CHECK:         until
func.func @exit(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows select [0, 1, 0] behind none : tensor<?x64xf32> {
    %y = lathe.silu %h : tensor<?x64xf32>
    %p = lathe.margin %y : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %y = lathe.silu %h : tensor<?x64xf32>
    %p = lathe.margin %y : tensor<?x64xf32>
    lathe.yield %y until %p : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Layer 1 has the only exit, and never runs: nothing is behind an exit.
// CHECK-LABEL: func.func @skipped_exit(
// CHECK:       at %{{.*}} skip [1] : tensor<?x64xf32> {
// CHECK-NEXT:    %[[Y:.*]] = lathe.silu
// CHECK-NEXT:    lathe.yield %[[Y]] : tensor<?x64xf32>
// CHECK-NEXT:  }
func.func @skipped_exit(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows select [0, 1, 0] rest [2, 2, 2] skip [1] behind none : tensor<?x64xf32> {
    %y = lathe.silu %h : tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }, {
    %y = lathe.silu %h : tensor<?x64xf32>
    %p = lathe.margin %y : tensor<?x64xf32>
    lathe.yield %y until %p : tensor<?x64xf32>
  }, {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Nobody reads %b, and nobody changes it: it is what it was.  %a is read, and %c is changed by an
// exit alone.
// CHECK-LABEL: func.func @unread(
// CHECK-SAME:    %[[A:[a-z0-9]*]]: tensor<?x64xf32>, %[[B:[a-z0-9]*]]: tensor<?x64xf32>
// CHECK:         %[[STACK:.*]]:3 = lathe.layers %{{.*}} = 0 to 3 (%[[H:.*]] = %[[A]], %[[READ:.*]] = %[[A]], %[[KEPT:.*]] = %[[A]]) at
// CHECK-SAME:      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> {
// CHECK:           lathe.yield %[[Y:.*]], %[[READ]], %[[KEPT]] until %{{.*}} leaving %[[Y]], %[[READ]], %[[Y]] :
// CHECK:         return %[[STACK]]#0, %[[STACK]]#1, %[[B]], %[[STACK]]#2
func.func @unread(%x: tensor<?x64xf32>, %other: tensor<?x64xf32>, %rows: !lathe.rows) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %0:4 = lathe.layers %i = 0 to 3 (%h = %x, %a = %x, %b = %other, %c = %x) at %rows behind none : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> {
    %s = lathe.silu %h : tensor<?x64xf32>
    %y = lathe.add %s, %a : tensor<?x64xf32>
    %p = lathe.margin %y : tensor<?x64xf32>
    lathe.yield %y, %a, %b, %c until %p leaving %y, %a, %b, %y : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
  }
  return %0#0, %0#1, %0#2, %0#3 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
