// Ops of other dialects become groups.
// RUN: lathe-opt %s --split-input-file --lathe-group-upstream | FileCheck %s

// Neighbours share a group; what is only known is copied into each that needs it.
// CHECK-LABEL: func.func @neighbours
// CHECK: %[[G:.*]] = lathe.group "tanh+addf" -> tensor<?x64xf32> {
// CHECK-NEXT: math.tanh %arg0
// CHECK: arith.constant dense<1.000000e+00> : tensor<64xf32>
// CHECK: linalg.broadcast
// CHECK: arith.addf
// CHECK-NEXT: lathe.yield
// CHECK: %[[S:.*]] = lathe.silu %[[G]]
// CHECK: lathe.group "mulf" -> tensor<?x64xf32> {
// CHECK: linalg.broadcast
// CHECK: arith.mulf %[[S]]
func.func @neighbours(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  %t = math.tanh %x : tensor<?x64xf32>
  %e = tensor.empty(%n) : tensor<?x64xf32>
  %b = linalg.broadcast ins(%one : tensor<64xf32>) outs(%e : tensor<?x64xf32>) dimensions = [0]
  %a = arith.addf %t, %b : tensor<?x64xf32>
  %s = lathe.silu %a : tensor<?x64xf32>
  %m = arith.mulf %s, %b : tensor<?x64xf32>
  return %m : tensor<?x64xf32>
}

// -----

// Rows that can be computed alone do not wait for those that cannot.
// CHECK-LABEL: func.func @kinds
// CHECK: %[[A:.*]] = lathe.group "absf" -> tensor<?x4xf32>
// CHECK: %[[B:.*]] = lathe.group "reduce" -> tensor<4xf32>
// CHECK: linalg.reduce ins(%[[A]]
// CHECK: return %[[A]], %[[B]]
func.func @kinds(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %a = math.absf %x : tensor<?x4xf32>
  %e = tensor.empty() : tensor<4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %r = linalg.reduce ins(%a : tensor<?x4xf32>) outs(%z : tensor<4xf32>) dimensions = [0]
    (%in: f32, %acc: f32) {
      %s = arith.addf %in, %acc : f32
      linalg.yield %s : f32
    }
  return %a, %r : tensor<?x4xf32>, tensor<4xf32>
}

// -----

// A number that was computed goes to where it is used.
// CHECK-LABEL: func.func @number
// CHECK: lathe.group "fill" -> tensor<2xf32>
// CHECK: tensor.extract %arg0
// CHECK: linalg.fill
// CHECK-NOT: lathe.group
func.func @number(%x: tensor<4xf32>) -> tensor<2xf32> {
  %c1 = arith.constant 1 : index
  %v = tensor.extract %x[%c1] : tensor<4xf32>
  %e = tensor.empty() : tensor<2xf32>
  %f = linalg.fill ins(%v : f32) outs(%e : tensor<2xf32>) -> tensor<2xf32>
  return %f : tensor<2xf32>
}

// -----

// Inside a layer too, and its number with it.
// CHECK-LABEL: func.func @layer
// CHECK: lathe.layers
// CHECK: lathe.group "fill+mulf" -> tensor<?x8xf32> {
// CHECK: arith.index_cast
// CHECK: lathe.yield
func.func @layer(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %y = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32> {
    %n = tensor.dim %h, %c0 : tensor<?x8xf32>
    %int = arith.index_cast %i : index to i32
    %float = arith.sitofp %int : i32 to f32
    %e = tensor.empty(%n) : tensor<?x8xf32>
    %f = linalg.fill ins(%float : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    %m = arith.mulf %h, %f : tensor<?x8xf32>
    lathe.yield %m : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}
