// Best fit, not first fit: of the gaps that are large enough the smallest.
// RUN: lathe-opt %s --allow-unregistered-dialect --verify-diagnostics -o %t --pass-pipeline='builtin.module(step.program(lathe-plan-memory{remarks}))'

// %a to %d are alive in phase 0, by decreasing size one on top of the other.  In phase 1 %a and %c
// are no more, which leaves a gap of 1024 bytes at 0 and one of 512 at 1792.  %f, 384 bytes, fits
// into both and takes the smaller one; the 128 bytes that are left of it are just enough for %g.
//
//   bytes
//   2816 +-------+-------+
//        |  %d      %d   |
//   2304 +-------+-------+
//        |       |  %g   |
//        |  %c   +-------+ 2176
//        |       |  %f   |
//   1792 +-------+-------+
//        |  %b      %b   |
//   1024 +-------+-------+
//        |  %a   |
//      0 +-------+       .
//  phase     0       1
step.program @best_fit max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  // expected-remark@+1 {{phases 0 to 0, bytes 0 to 1024}}
  %a = step.alloc : !step.buffer<1x256xf32>
  // expected-remark@+1 {{phases 0 to 1, bytes 1024 to 1792}}
  %b = step.alloc : !step.buffer<1x192xf32>
  // expected-remark@+1 {{phases 0 to 0, bytes 1792 to 2304}}
  %c = step.alloc : !step.buffer<1x128xf32>
  // expected-remark@+1 {{phases 0 to 1, bytes 2304 to 2816}}
  %d = step.alloc : !step.buffer<1x128xf32>
  // expected-remark@+1 {{phases 1 to 1, bytes 1792 to 2176}}
  %f = step.alloc : !step.buffer<1x96xf32>
  // expected-remark@+1 {{phases 1 to 1, bytes 2176 to 2304}}
  %g = step.alloc : !step.buffer<1x32xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x256xf32>
    step.store %0, %a : tensor<?x256xf32>, !step.buffer<1x256xf32>
    %1 = "v"() : () -> tensor<?x192xf32>
    step.store %1, %b : tensor<?x192xf32>, !step.buffer<1x192xf32>
    %2 = "v"() : () -> tensor<?x128xf32>
    step.store %2, %c : tensor<?x128xf32>, !step.buffer<1x128xf32>
    %3 = "v"() : () -> tensor<?x128xf32>
    step.store %3, %d : tensor<?x128xf32>, !step.buffer<1x128xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %b : !step.buffer<1x192xf32> -> tensor<?x192xf32>
    %1 = step.load %d : !step.buffer<1x128xf32> -> tensor<?x128xf32>
    %2 = "v"() : () -> tensor<?x96xf32>
    step.store %2, %f : tensor<?x96xf32>, !step.buffer<1x96xf32>
    %3 = "v"() : () -> tensor<?x32xf32>
    step.store %3, %g : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}
