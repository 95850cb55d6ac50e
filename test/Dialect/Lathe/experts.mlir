// Mixtures of experts: what is read is printed again.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s

// One weight is the matrices of all experts.
// CHECK: lathe.weights @blk.up : 2 x tensor<8x64x32x!lathe.q4_0> from "blk.{}.up"
lathe.weights @blk.up : 2 x tensor<8x64x32x!lathe.q4_0> from "blk.{}.up"
lathe.weights @down : tensor<8x32x64xf32> from "down"

// CHECK-LABEL: func.func @experts
// CHECK:         %[[C:.*]], %[[S:.*]] = lathe.route %arg1 : tensor<?x8xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
// CHECK:         %[[U:.*]] = lathe.expert_linear %arg0, %{{.*}} by %[[C]] : tensor<?x32xf32>, tensor<8x64x32x!lathe.q4_0>, tensor<?x2xi32> -> tensor<?x128xf32>
// CHECK:         %[[D:.*]] = lathe.expert_linear %[[U]], %{{.*}} by %[[C]] : tensor<?x128xf32>, tensor<8x32x64xf32>, tensor<?x2xi32> -> tensor<?x64xf32>
// CHECK:         lathe.mix %[[D]], %[[S]] : tensor<?x64xf32>, tensor<?x2xf32> -> tensor<?x32xf32>
func.func @experts(%x: tensor<?x32xf32>, %l: tensor<?x8xf32>, %i: index) -> tensor<?x32xf32> {
  %wu = lathe.weight @blk.up[%i] : tensor<8x64x32x!lathe.q4_0>
  %wd = lathe.weight @down : tensor<8x32x64xf32>
  %c, %s = lathe.route %l : tensor<?x8xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  %u = lathe.expert_linear %x, %wu by %c : tensor<?x32xf32>, tensor<8x64x32x!lathe.q4_0>, tensor<?x2xi32> -> tensor<?x128xf32>
  %d = lathe.expert_linear %u, %wd by %c : tensor<?x128xf32>, tensor<8x32x64xf32>, tensor<?x2xi32> -> tensor<?x64xf32>
  %y = lathe.mix %d, %s : tensor<?x64xf32>, tensor<?x2xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// All experts, and one alone.
// CHECK-LABEL: func.func @limits
// CHECK:         lathe.route %arg0 : tensor<?x3xf32> -> tensor<?x3xi32>, tensor<?x3xf32>
// CHECK:         lathe.route %arg0 : tensor<?x3xf32> -> tensor<?x1xi32>, tensor<?x1xf32>
func.func @limits(%l: tensor<?x3xf32>) {
  %c, %s = lathe.route %l : tensor<?x3xf32> -> tensor<?x3xi32>, tensor<?x3xf32>
  %d, %t = lathe.route %l : tensor<?x3xf32> -> tensor<?x1xi32>, tensor<?x1xf32>
  return
}
