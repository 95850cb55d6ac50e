// Every weight format by f32 rows: weights become f32 and are summed by fma, on all
// levels alike, and no integer arithmetic of rows shows.
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v4 --canonicalize --cse | FileCheck %s --implicit-check-not=llvm.x86
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v3 --canonicalize --cse | FileCheck %s --implicit-check-not=llvm.x86

// Weights as they are: one fma for each group of 16 outputs.
// CHECK:     module attributes
// CHECK-COUNT-2: llvm.intr.fma{{.*}}vector<16xf32>
// CHECK-NOT: llvm.intr.fma
// CHECK-LABEL: func.func private @decode.f32_by_f32
lathe.weights @w : tensor<32x64xf32> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "f32_by_f32" over columns {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @w : tensor<32x64xf32>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Widened by the hardware.
// CHECK:     module attributes
// CHECK:     arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// CHECK-LABEL: func.func private @decode.f16_by_f32
lathe.weights @w : tensor<32x64xf16> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "f16_by_f32" over columns {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @w : tensor<32x64xf16>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<32x64xf16> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// The upper half of an f32: a shift for one of a pair, a mask for the other.
// CHECK:     module attributes
// CHECK-DAG: arith.shli %{{.*}} : vector<16xi32>
// CHECK-DAG: arith.andi %{{.*}} : vector<16xi32>
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// CHECK-LABEL: func.func private @decode.bf16_by_f32
lathe.weights @w : tensor<32x64xbf16> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "bf16_by_f32" over columns {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @w : tensor<32x64xbf16>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<32x64xbf16> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// (q - 8) * scale.
// CHECK:     module attributes
// CHECK:     arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK:     arith.mulf %{{.*}} : vector<16xf32>
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// CHECK-LABEL: func.func private @decode.q4_0_by_f32
lathe.weights @w : tensor<32x64x!lathe.q4_0> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "q4_0_by_f32" over columns {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_0>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<32x64x!lathe.q4_0> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// q * scale + minimum.
// CHECK:     module attributes
// CHECK:     arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK:     arith.mulf %{{.*}} : vector<16xf32>
// CHECK:     arith.addf %{{.*}} : vector<16xf32>
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// CHECK-LABEL: func.func private @decode.q4_1_by_f32
lathe.weights @w : tensor<32x64x!lathe.q4_1> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "q4_1_by_f32" over columns {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_1>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// (q - 128) * scale: packing has moved the elements to 0 to 255.
// CHECK:     module attributes
// CHECK:     arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK:     arith.mulf %{{.*}} : vector<16xf32>
// CHECK:     llvm.intr.fma{{.*}}vector<16xf32>
// CHECK-LABEL: func.func private @decode.q8_0_by_f32
lathe.weights @w : tensor<32x64x!lathe.q8_0> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "q8_0_by_f32" over columns {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %w = lathe.weight @w : tensor<32x64x!lathe.q8_0>
    %1 = lathe.linear %0, %w : tensor<?x64xf32>, tensor<32x64x!lathe.q8_0> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}
