// From a program to the instructions of each level.
// REQUIRES: compiler
// RUN: %lathe compile %s --target x86-64-v4 --emit asm -o - | FileCheck %s --check-prefixes=CHECK,V4
// RUN: %lathe compile %s --target x86-64-v3 --emit asm -o - | FileCheck %s --check-prefixes=CHECK,V3 --implicit-check-not=zmm
// RUN: %lathe compile %s --target x86-64-v4 --emit llvm -o - | FileCheck %s --check-prefix=LLVM

// V4:    vpdpbusd {{.*}}%zmm
// V3:    vpmaddubsw {{.*}}%ymm
// LLVM:  @lathe_manifest = constant
// LLVM:  call <16 x i32> @llvm.x86.avx512.vpdpbusd.512

// What the runtime looks for is visible, kernels are not.
// CHECK-DAG: .globl lathe_entry_decode
// CHECK-DAG: .globl lathe_manifest
// CHECK-NOT: .globl decode
module attributes {lathe.stage = "planned"} {
  lathe.weights @t : tensor<32x64xf32> from "t"
  lathe.weights @w : tensor<32x64x!lathe.q4_1> from "w"
  step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
    %x = step.alloc at 0 : !step.buffer<1x64xf32>
    step.phase "embed" over rows {
      %table = lathe.weight @t : tensor<32x64xf32>
      %0 = lathe.embed %rows, %table : tensor<32x64xf32> -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.barrier
    step.phase "head" over columns {
      %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %q = lathe.quantize %0 : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
      %w = lathe.weight @w : tensor<32x64x!lathe.q4_1>
      %1 = lathe.linear %q, %w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
      step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}
