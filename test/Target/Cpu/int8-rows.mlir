// Block weights by int8 rows.  A block has 8 quads of 4 elements for each of 2 groups of 16 outputs:
// 16 dot products with 512-bit registers, 32 with 256-bit ones.  Nothing of the other level may show.
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v4 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V4 --implicit-check-not=x86.avx2
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v3 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V3 --implicit-check-not=avx512

// Q4_0: the weights are 0 to 15 and stand for q - 8.  Sums start from -8 times the sums of the row's
// elements; the 256-bit ones, in int16, are widened once a block.
// CHECK:     module attributes
// V4:        arith.constant dense<-8> : vector<32xi16>
// V4-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4-NOT:    vpdpbusd
// V3:        arith.constant dense<-8> : vector<16xi16>
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3:        llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK-LABEL: func.func private @decode.q4_0
lathe.weights @w : tensor<32x64x!lathe.q4_0> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "q4_0" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_0>
    %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_0> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Q4_1: no offset, but a minimum, times the sum of the row's elements: one more fma for each group.
// CHECK:     module attributes
// V4-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4-COUNT-2:  llvm.intr.fma
// V4-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4-COUNT-2:  llvm.intr.fma
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-2:  llvm.intr.fma
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-2:  llvm.intr.fma
// CHECK-LABEL: func.func private @decode.q4_1
lathe.weights @w : tensor<32x64x!lathe.q4_1> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "q4_1" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_1>
    %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Q8_0: 256 levels would saturate in int16, so 256-bit code moves the sign to the row's elements and
// widens every product.
// CHECK:     module attributes
// V4-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4-NOT:    vpdpbusd
// V3-COUNT-32: llvm.call_intrinsic "llvm.x86.avx2.psign.b"
// CHECK-LABEL: func.func private @decode.q8_0
lathe.weights @w : tensor<32x64x!lathe.q8_0> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "q8_0" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x64x!lathe.q8_0>
    %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q8_0> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// With room for many rows, a block is unpacked once, into memory; then come the rows, a tile of them
// and one at a time, whose sums are in memory too.  Each meets 2 quads of 16 outputs in a turn of a loop.
// CHECK:     module attributes
// CHECK-LABEL: func.func private @tile.q4_1.q8_act.rows
// CHECK:     llvm.alloca
// CHECK:     scf.for
// V4-COUNT-16: llvm.store {{.*}} : vector<64xi8>, !llvm.ptr
// V3-COUNT-32: llvm.store {{.*}} : vector<32xi8>, !llvm.ptr
// CHECK:     scf.for
// CHECK:     scf.for
// V4-COUNT-12: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK:     scf.yield
// CHECK:     llvm.intr.fma
lathe.weights @w : tensor<32x64x!lathe.q4_1> from "w"
step.program @prefill max_rows = 16 arena = 2048 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<16x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<16x64x!lathe.q8_act>
  step.phase "q4_1" over columns {
    %0 = step.load %x : !step.buffer<16x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_1>
    %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<16x32xf32>
  }
}

// -----

// Up to 8 rows with AVX-512 keep their sums in registers, and unpack weights on the way: 2, 4 or 8, whatever
// is the next.
// CHECK:     module attributes
// V4-LABEL:  func.func private @tile.q4_1.q8_act.rows2(
// V4-NOT:    llvm.alloca
// V4:        scf.for
// V4-COUNT-32: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4:        scf.yield
// V4-LABEL:  func.func private @tile.q4_1.q8_act.rows4(
// V4-LABEL:  func.func private @tile.q4_1.q8_act.rows8(
// V4-NOT:    @tile.q4_1.q8_act.rows(
// V3:        func.func private @tile.q4_1.q8_act.rows(
lathe.weights @w : tensor<32x64x!lathe.q4_1> from "w"
step.program @prefill max_rows = 8 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<8x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<8x64x!lathe.q8_act>
  step.phase "q4_1" over columns {
    %0 = step.load %x : !step.buffer<8x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x64x!lathe.q4_1>
    %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<8x32xf32>
  }
}

// -----

// Q5_0: 32 levels around 16.  What exceeds int16 before 16 times the sum is taken off wraps around, so
// that here too a block is widened once.
// CHECK:     module attributes
// V4-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4-NOT:    vpdpbusd
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-2:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-2:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// V3-NOT:    pmadd
// CHECK-LABEL: func.func private @decode.q5_0
lathe.weights @w : tensor<32x64x!lathe.q5_0> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "q5_0" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x64x!lathe.q5_0>
    %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q5_0> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Q5_1: 32 levels from 0 on do not fit, and are widened twice.
// CHECK:     module attributes
// V4-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V3-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-2:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// V3-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-2:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK-LABEL: func.func private @decode.q5_1
lathe.weights @w : tensor<32x64x!lathe.q5_1> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "q5_1" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x64x!lathe.q5_1>
    %1 = lathe.linear %0, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q5_1> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Q4_K: the header of a step is read once, in front of a loop over its 8 blocks; each has a scale and a
// minimum of a byte.
// CHECK:     module attributes
// CHECK:     scf.for
// CHECK-COUNT-4: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK:     scf.for
// V4-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V3-COUNT-16: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK-COUNT-2: arith.extui %{{.*}} : vector<16xi8> to vector<16xi32>
// CHECK-COUNT-2: llvm.intr.fma
// CHECK-NOT: vector<16xf16>
// CHECK-LABEL: func.func private @decode.q4_k
lathe.weights @w : tensor<32x256x!lathe.q4_k> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x256x!lathe.q8_act>
  step.phase "q4_k" over columns {
    %0 = step.load %x : !step.buffer<1x256x!lathe.q8_act> -> tensor<?x256x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x256x!lathe.q4_k>
    %1 = lathe.linear %0, %w : tensor<?x256x!lathe.q8_act>, tensor<32x256x!lathe.q4_k> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}

// -----

// Q6_K: each half of a block has an integer scale.  256-bit code multiplies by it as it widens; 512-bit
// code has two sums.
// CHECK:     module attributes
// CHECK-COUNT-2: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK:     scf.for
// CHECK:     arith.extsi %{{.*}} : vector<32xi8> to vector<32xi16>
// V4-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4-COUNT-2:  arith.muli %{{.*}} : vector<16xi32>
// V3:        %[[ONE:.*]] = vector.shuffle %[[BOTH:.*]], %[[BOTH]] [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14]
// V3-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3:        llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%{{.*}}, %[[ONE]])
// V3-COUNT-8:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-2:  llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK:     llvm.intr.fma
// CHECK-NOT: vector<16xf16>
// CHECK-LABEL: func.func private @decode.q6_k
lathe.weights @w : tensor<32x256x!lathe.q6_k> from "w"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x256x!lathe.q8_act>
  step.phase "q6_k" over columns {
    %0 = step.load %x : !step.buffer<1x256x!lathe.q8_act> -> tensor<?x256x!lathe.q8_act>
    %w = lathe.weight @w : tensor<32x256x!lathe.q6_k>
    %1 = lathe.linear %0, %w : tensor<?x256x!lathe.q8_act>, tensor<32x256x!lathe.q6_k> -> tensor<?x32xf32>
    step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
}
