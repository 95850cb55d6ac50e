// Kernels multiply bf16 by bf16 where the attention says so, and nowhere else: the target's
// instruction alone changes nothing, and without it what is rounded is multiplied as f32.
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,DOTS
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,ROUNDS

// CHECK-LABEL:  func.func private @rounded.attention
// DOTS:           arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
// DOTS:           llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// ROUNDS-NOT:     dpbf16ps
// ROUNDS:         vector.bitcast %{{.*}} : vector<{{[0-9]+}}xi16> to vector<{{[0-9]+}}xbf16>
// ROUNDS-NOT:     dpbf16ps
step.program @rounded max_rows = 8 arena = 8192 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x bf16>, %logits: !step.buffer<8x32xf32>) {
  %q = step.alloc at 0 : !step.buffer<8x2x32xf32>
  %o = step.alloc at 4096 : !step.buffer<8x2x32xf32>
  step.layers %i = 0 to 1 {
    step.phase "attention" over heads {
      %0 = step.load %q : !step.buffer<8x2x32xf32> -> tensor<?x2x32xf32>
      %1 = lathe.attention %0, %kv[%i] at %rows {precision_type = bf16, scale = 1.0 : f32} : tensor<?x2x32xf32>, !lathe.kv<1 x 1 x 32 x bf16>
      step.store %1, %o : tensor<?x2x32xf32>, !step.buffer<8x2x32xf32>
    }
  }
}

// -----

// CHECK-LABEL:  func.func private @whole.attention
// CHECK-NOT:      dpbf16ps
// CHECK-NOT:      truncf {{.*}} to vector<{{[0-9]+}}xbf16>
// CHECK-NOT:      xi16> to vector<{{[0-9]+}}xbf16>
// CHECK:          return
step.program @whole max_rows = 8 arena = 8192 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x bf16>, %logits: !step.buffer<8x32xf32>) {
  %q = step.alloc at 0 : !step.buffer<8x2x32xf32>
  %o = step.alloc at 4096 : !step.buffer<8x2x32xf32>
  step.layers %i = 0 to 1 {
    step.phase "attention" over heads {
      %0 = step.load %q : !step.buffer<8x2x32xf32> -> tensor<?x2x32xf32>
      %1 = lathe.attention %0, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x2x32xf32>, !lathe.kv<1 x 1 x 32 x bf16>
      step.store %1, %o : tensor<?x2x32xf32>, !step.buffer<8x2x32xf32>
    }
  }
}
