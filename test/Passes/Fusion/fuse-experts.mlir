// Mixtures of experts in groups.
// RUN: lathe-opt %s --lathe-fuse --canonicalize | FileCheck %s
// RUN: lathe-opt %s --lathe-fuse --lathe-fuse --canonicalize | FileCheck %s

lathe.weights @norm : tensor<32xf32> from "norm"
lathe.weights @router : tensor<8x32xf32> from "router"
lathe.weights @gate : tensor<8x64x32xf32> from "gate"
lathe.weights @up : tensor<8x64x32xf32> from "up"
lathe.weights @down : tensor<8x32x64xf32> from "down"

// The router is alone, though its experts read the same rows: they need what it gives.  Gate and up
// of all the row's experts are one group, with what stands between them and the last product.  Shares
// and the residual are a phase over rows.
// CHECK-LABEL: func.func @mixture
// CHECK:         %[[N:.*]] = lathe.group "rms_norm"
// CHECK:         %[[L:.*]] = lathe.group "router" -> tensor<?x8xf32> {
// CHECK-NEXT:      lathe.linear %[[N]]
// CHECK:         %[[R:.*]]:2 = lathe.group "route" -> tensor<?x2xi32>, tensor<?x2xf32> {
// CHECK-NEXT:      lathe.route %[[L]]
// CHECK:         %[[G:.*]] = lathe.group "gate+up" -> tensor<?x128xf32> {
// CHECK-COUNT-2:   lathe.expert_linear %[[N]], %{{.*}} by %[[R]]#0
// CHECK:           lathe.silu
// CHECK:           lathe.mul
// CHECK:         %[[D:.*]] = lathe.group "down" -> tensor<?x64xf32> {
// CHECK-NEXT:      lathe.expert_linear %[[G]], %{{.*}} by %[[R]]#0
// CHECK:         lathe.group "mix+add" -> tensor<?x32xf32> {
// CHECK-NEXT:      lathe.mix %[[D]], %[[R]]#1
// CHECK-NEXT:      lathe.add
func.func @mixture(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %w = lathe.weight @norm : tensor<32xf32>
  %wr = lathe.weight @router : tensor<8x32xf32>
  %wg = lathe.weight @gate : tensor<8x64x32xf32>
  %wu = lathe.weight @up : tensor<8x64x32xf32>
  %wd = lathe.weight @down : tensor<8x32x64xf32>
  %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x32xf32>, tensor<32xf32>
  %l = lathe.linear %n, %wr : tensor<?x32xf32>, tensor<8x32xf32> -> tensor<?x8xf32>
  %c, %s = lathe.route %l : tensor<?x8xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  %g = lathe.expert_linear %n, %wg by %c : tensor<?x32xf32>, tensor<8x64x32xf32>, tensor<?x2xi32> -> tensor<?x128xf32>
  %u = lathe.expert_linear %n, %wu by %c : tensor<?x32xf32>, tensor<8x64x32xf32>, tensor<?x2xi32> -> tensor<?x128xf32>
  %a = lathe.silu %g : tensor<?x128xf32>
  %m = lathe.mul %a, %u : tensor<?x128xf32>
  %d = lathe.expert_linear %m, %wd by %c : tensor<?x128xf32>, tensor<8x32x64xf32>, tensor<?x2xi32> -> tensor<?x64xf32>
  %y = lathe.mix %d, %s : tensor<?x64xf32>, tensor<?x2xf32> -> tensor<?x32xf32>
  %r = lathe.add %x, %y : tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// A dense product of the same rows has tiles of another kind, and is a group of its own.
// CHECK-LABEL: func.func @beside
// CHECK:         lathe.group "router"
// CHECK:         lathe.group "gate"
func.func @beside(%x: tensor<?x32xf32>, %c: tensor<?x2xi32>) -> (tensor<?x8xf32>, tensor<?x128xf32>) {
  %wr = lathe.weight @router : tensor<8x32xf32>
  %wg = lathe.weight @gate : tensor<8x64x32xf32>
  %l = lathe.linear %x, %wr : tensor<?x32xf32>, tensor<8x32xf32> -> tensor<?x8xf32>
  %g = lathe.expert_linear %x, %wg by %c : tensor<?x32xf32>, tensor<8x64x32xf32>, tensor<?x2xi32> -> tensor<?x128xf32>
  return %l, %g : tensor<?x8xf32>, tensor<?x128xf32>
}
