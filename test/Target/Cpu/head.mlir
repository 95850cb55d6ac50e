// An output head that is screened: bounds from the front of the weights, the leaders, a meeting of
// the workers, and what may still be among the greatest.
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v4 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V4 --implicit-check-not=x86.avx2
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v3 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,V3 --implicit-check-not=avx512

// Coarse products are of weights of four bits: no sign is moved, and there are two sums for d, one
// for the norms and one of both, the bound.  The groups of 16 rows are a loop around the blocks.
// CHECK-LABEL: func.func private @bounds.q8_0_planes4.2(
// CHECK:         scf.for
// CHECK:           scf.for
// V4-COUNT-8:    llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// V4-COUNT-4:    llvm.intr.fma
// V3-COUNT-16:   llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// V3-COUNT-4:    llvm.intr.fma
// V4-NOT:      vpdpbusd
// V3-NOT:      pmadd.ub.sw
// CHECK:       return

// One function computes rows from anywhere, for the leaders and for those who survive, with the
// tile that computes whole panels.
// CHECK:       func.func private @decode.head.code.rows0(
// CHECK:         call @tile.q8_0_planes4.q8_act.row
// CHECK-NOT:   @decode.head.code.rows1

// CHECK-LABEL: func.func private @decode.head.code(
// CHECK:         scf.if
// CHECK:           call @bounds.q8_0_planes4.2
// CHECK:           call @head.next
// CHECK:           call @decode.head.code.rows0
// The barrier; then the survivors, or all.
// CHECK:           llvm.call %{{.*}}(%{{.*}}, %arg2) : !llvm.ptr, (!llvm.ptr, i64) -> ()
// CHECK:           call @head.next
// CHECK:           call @decode.head.code.rows0
// CHECK:           call @tile.q8_0_planes4.q8_act.row
// CHECK:         else
// CHECK:           call @tile.q8_0_planes4.q8_act.row

// The runtime is told how many it may ask for.
// CHECK:       llvm.mlir.global external constant @lathe_manifest
// CHECK-SAME:  \22greatest_logits\22:40}
lathe.weights @h : tensor<96x64x!lathe.q8_0_planes4> from "h"
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x96xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64x!lathe.q8_act>
  step.phase "head" over columns {
    %0 = step.load %x : !step.buffer<1x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @h : tensor<96x64x!lathe.q8_0_planes4>
    %1 = lathe.head_topk %0, %w {k = 40 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
    step.store %1, %logits : tensor<?x96xf32>, !step.buffer<1x96xf32>
  }
}

// -----

// Several rows: coarse products of all of them, by a tile that unpacks a panel once; their bounds;
// then row by row what one row does, and one meeting of the workers.
// CHECK-LABEL: func.func private @bounds.rows.q8_0_planes4.2.
// CHECK:         scf.for
// CHECK-COUNT-4:   llvm.intr.fma
// CHECK-LABEL: func.func private @tile.q8_0_planes4.q8_act.rows.coarse.2(
// V4:            vpdpbusd
// V3:            pmadd.ub.sw
// V3-NOT:        psign
lathe.weights @h : tensor<96x64x!lathe.q8_0_planes4> from "h"
step.program @verify max_rows = 4 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<4x96xf32>) {
  %x = step.alloc at 0 : !step.buffer<4x64x!lathe.q8_act>
  step.phase "head" over columns {
    %0 = step.load %x : !step.buffer<4x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %w = lathe.weight @h : tensor<96x64x!lathe.q8_0_planes4>
    %1 = lathe.head_topk %0, %w {k = 40 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0_planes4> -> tensor<?x96xf32>
    step.store %1, %logits : tensor<?x96xf32>, !step.buffer<4x96xf32>
  }
}
