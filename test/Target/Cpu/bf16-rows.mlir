// Every weight format by bf16 rows.  Where both sides are stored as bf16 pairs and the level has the
// instruction, two products are summed at once; everything else is widened and summed by fma.
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v4 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V4
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v3 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V3 --implicit-check-not=avx512

// CHECK:     module attributes
// CHECK:     arith.extf %{{.*}} : bf16 to f32
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// V4-NOT:    dpbf16ps
// CHECK-LABEL: func.func private @decode.f32_by_bf16
lathe.weights @w : tensor<32x64xf32> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xbf16>
  step.phase "f32_by_bf16" over columns {
    %0 = step.load %x : !step.buffer<1x64xbf16> -> tensor<?x64xbf16>
    %w = lathe.weight @w : tensor<32x64xf32>
    %1 = lathe.linear %0, %w : tensor<?x64xbf16>, tensor<32x64xf32> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// CHECK:     module attributes
// CHECK:     arith.extf %{{.*}} : bf16 to f32
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// V4-NOT:    dpbf16ps
// CHECK-LABEL: func.func private @decode.f16_by_bf16
lathe.weights @w : tensor<32x64xf16> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xbf16>
  step.phase "f16_by_bf16" over columns {
    %0 = step.load %x : !step.buffer<1x64xbf16> -> tensor<?x64xbf16>
    %w = lathe.weight @w : tensor<32x64xf16>
    %1 = lathe.linear %0, %w : tensor<?x64xbf16>, tensor<32x64xf16> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// CHECK:     module attributes
// V4-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// V3:        %[[X:.*]] = vector.broadcast %{{.*}} : i32 to vector<16xi32>
// V3-NEXT:   arith.shli %[[X]]
// V3-NEXT:   arith.andi %[[X]]
// V3:        llvm.intr.fma{{.*}}vector<16xf32>
// CHECK-LABEL: func.func private @decode.bf16_by_bf16
lathe.weights @w : tensor<32x64xbf16> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xbf16>
  step.phase "bf16_by_bf16" over columns {
    %0 = step.load %x : !step.buffer<1x64xbf16> -> tensor<?x64xbf16>
    %w = lathe.weight @w : tensor<32x64xbf16>
    %1 = lathe.linear %0, %w : tensor<?x64xbf16>, tensor<32x64xbf16> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// CHECK:     module attributes
// CHECK:     arith.extf %{{.*}} : bf16 to f32
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// V4-NOT:    dpbf16ps
// CHECK-LABEL: func.func private @decode.q4_0_by_bf16
lathe.weights @w : tensor<32x64x!lathe.q4_0> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xbf16>
  step.phase "q4_0_by_bf16" over columns {
    %0 = step.load %x : !step.buffer<1x64xbf16> -> tensor<?x64xbf16>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_0>
    %1 = lathe.linear %0, %w : tensor<?x64xbf16>, tensor<32x64x!lathe.q4_0> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// CHECK:     module attributes
// CHECK:     arith.extf %{{.*}} : bf16 to f32
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// V4-NOT:    dpbf16ps
// CHECK-LABEL: func.func private @decode.q4_1_by_bf16
lathe.weights @w : tensor<32x64x!lathe.q4_1> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xbf16>
  step.phase "q4_1_by_bf16" over columns {
    %0 = step.load %x : !step.buffer<1x64xbf16> -> tensor<?x64xbf16>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_1>
    %1 = lathe.linear %0, %w : tensor<?x64xbf16>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// CHECK:     module attributes
// CHECK:     arith.extf %{{.*}} : bf16 to f32
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// V4-NOT:    dpbf16ps
// CHECK-LABEL: func.func private @decode.q8_0_by_bf16
lathe.weights @w : tensor<32x64x!lathe.q8_0> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xbf16>
  step.phase "q8_0_by_bf16" over columns {
    %0 = step.load %x : !step.buffer<1x64xbf16> -> tensor<?x64xbf16>
    %w = lathe.weight @w : tensor<32x64x!lathe.q8_0>
    %1 = lathe.linear %0, %w : tensor<?x64xbf16>, tensor<32x64x!lathe.q8_0> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}
