// Where the first order misses the bound, what ends highest is placed earlier.
// RUN: lathe-opt %s --verify-diagnostics -o %t --pass-pipeline='builtin.module(step.program(lathe-plan-memory{remarks},lathe-check-memory-plan))'
// RUN: FileCheck %s < %t

// In KiB: %a 4, %c 4, %d 3, %b 2 by decreasing size.  %a and %c meet in phase 2, so %c lies on %a;
// %d fits under %c, and above it only 1 is left, so %b ends at 10.  Then %b comes second and %d
// ends at 11; then %d comes second, too, and all end at 9, the bound.
//
//   KiB
//    9 +       +-------+-------+
//      |       |  %c      %c   |
//    5 +-------+-------+       |
//      |  %b      %b   +-------+ 4 under %c
//    3 +-------+-------+  %a   |
//      |  %d      %d   |       |
//    0 +-------+-------+-------+
//  phase   0       1       2
//
// CHECK: step.program @search max_rows = 1 arena = 9216 bound = 9216
step.program @search max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  // expected-remark@+1 {{phases 2 to 2, bytes 0 to 4096}}
  %a = step.alloc : !step.buffer<1x1024xf32>
  // expected-remark@+1 {{phases 0 to 1, bytes 3072 to 5120}}
  %b = step.alloc : !step.buffer<1x512xf32>
  // expected-remark@+1 {{phases 1 to 2, bytes 5120 to 9216}}
  %c = step.alloc : !step.buffer<1x1024xf32>
  // expected-remark@+1 {{phases 0 to 1, bytes 0 to 3072}}
  %d = step.alloc : !step.buffer<1x768xf32>
  step.phase "0" over rows {
    %0 = lathe.rope_table %rows {base = 1.0 : f64} : tensor<?x256x2xf32>
    %1 = lathe.merge_heads %0 : tensor<?x256x2xf32> -> tensor<?x512xf32>
    step.store %1, %b : tensor<?x512xf32>, !step.buffer<1x512xf32>
    %2 = lathe.rope_table %rows {base = 1.0 : f64} : tensor<?x384x2xf32>
    %3 = lathe.merge_heads %2 : tensor<?x384x2xf32> -> tensor<?x768xf32>
    step.store %3, %d : tensor<?x768xf32>, !step.buffer<1x768xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %b : !step.buffer<1x512xf32> -> tensor<?x512xf32>
    %1 = step.load %d : !step.buffer<1x768xf32> -> tensor<?x768xf32>
    %2 = lathe.rope_table %rows {base = 1.0 : f64} : tensor<?x512x2xf32>
    %3 = lathe.merge_heads %2 : tensor<?x512x2xf32> -> tensor<?x1024xf32>
    step.store %3, %c : tensor<?x1024xf32>, !step.buffer<1x1024xf32>
  }
  step.phase "2" over rows {
    %0 = step.load %c : !step.buffer<1x1024xf32> -> tensor<?x1024xf32>
    step.store %0, %a : tensor<?x1024xf32>, !step.buffer<1x1024xf32>
  }
}
