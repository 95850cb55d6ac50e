// Widths parse and print as they are written, in text and in bytecode.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// CHECK-LABEL: func.func @mlp(
// CHECK: %[[W:.*]] = lathe.width %{{.*}}[%{{.*}}] of 96 by 32
// CHECK: %[[U:.*]] = lathe.width %{{.*}}[%{{.*}}] of 128 by 64 unasked 64
// CHECK: lathe.linear %{{.*}}, %{{.*}} to %[[W]] : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
// CHECK: lathe.linear %{{.*}}, %{{.*}} of %[[W]] : tensor<?x96xf32>, tensor<128x96xf32> -> tensor<?x128xf32>
// CHECK: lathe.linear %{{.*}}, %{{.*}} to %[[W]] of %[[U]] : tensor<?x128xf32>, tensor<96x128xf32> -> tensor<?x96xf32>
func.func @mlp(%x: tensor<?x64xf32>, %rows: !lathe.rows, %i: index, %wu: tensor<96x64xf32>, %wd: tensor<128x96xf32>, %wb: tensor<96x128xf32>) -> tensor<?x96xf32> {
  %w = lathe.width %rows[%i] of 96 by 32
  %u = lathe.width %rows[%i] of 128 by 64 unasked 64
  %0 = lathe.linear %x, %wu to %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %1 = lathe.linear %0, %wd of %w : tensor<?x96xf32>, tensor<128x96xf32> -> tensor<?x128xf32>
  %2 = lathe.linear %1, %wb to %w of %u : tensor<?x128xf32>, tensor<96x128xf32> -> tensor<?x96xf32>
  return %2 : tensor<?x96xf32>
}

// CHECK-LABEL: func.func @type(
// CHECK-SAME: %{{.*}}: !lathe.width
func.func @type(%w: !lathe.width) {
  return
}
