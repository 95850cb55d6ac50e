// A program whose widths are dropped is the one that it was before they were chosen.
// RUN: lathe-opt %s -o %t.before
// RUN: lathe-opt %s --lathe-choose-widths --lathe-drop-widths -o %t.after
// RUN: cmp %t.before %t.after
// RUN: lathe-opt %s --lathe-choose-widths --lathe-drop-widths | FileCheck %s

// CHECK-NOT: lathe.width
// CHECK-NOT: lathe.linear {{.*}} to %
// CHECK-NOT: lathe.linear {{.*}} of %
func.func @forward(%x: tensor<?x64xf32>, %rows: !lathe.rows, %u: tensor<96x64xf32>, %d: tensor<64x96xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    %y = lathe.linear %h, %u : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %z = lathe.linear %y, %d : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
    lathe.yield %z : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
