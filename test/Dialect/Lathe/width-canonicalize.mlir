// What upstream's clean-up may do with widths.
// RUN: lathe-opt %s --canonicalize --cse | FileCheck %s

// One step alone is all of it, and limits nothing.
// CHECK-LABEL: func.func @one_step(
// CHECK-NOT:     lathe.width
// CHECK:         lathe.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x64xf32>, tensor<96x64xf32>
// CHECK:         lathe.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x96xf32>, tensor<64x96xf32>
func.func @one_step(%x: tensor<?x64xf32>, %rows: !lathe.rows, %i: index, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>) -> tensor<?x64xf32> {
  %w = lathe.width %rows[%i] of 96 by 96
  %0 = lathe.linear %x, %u to %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %1 = lathe.linear %0, %d of %w : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}

// Two that say the same are one, and other limits stay.
// CHECK-LABEL: func.func @same(
// CHECK:         %[[W:.*]] = lathe.width %{{.*}}[%{{.*}}] of 96 by 32
// CHECK-NOT:     lathe.width
// CHECK:         lathe.linear %{{.*}} to %[[W]] :
// CHECK:         lathe.linear %{{.*}} of %[[W]] :
func.func @same(%x: tensor<?x64xf32>, %rows: !lathe.rows, %i: index, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>) -> tensor<?x64xf32> {
  %v = lathe.width %rows[%i] of 96 by 32
  %0 = lathe.linear %x, %u to %v : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %w = lathe.width %rows[%i] of 96 by 32
  %1 = lathe.linear %0, %d of %w : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}
