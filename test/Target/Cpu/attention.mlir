// How attention is shared among the workers.
// RUN: lathe-opt %s --split-input-file --lathe-emit-cpu=target=x86-64-v3 | FileCheck %s

// One row: a tile is a head and a split of positions.  Tiles are handed out in turn; when a head has
// more than one split, all workers meet before the splits are put together.
// CHECK-LABEL: func.func private @decode.attention
// CHECK-SAME:    %arg0: !llvm.ptr, %arg1: i64, %[[WORKER:arg2]]: i64, %[[WORKERS:arg3]]: i64
// CHECK:       scf.for %{{.*}} = %[[WORKER]] to %{{.*}} step %[[WORKERS]]
// CHECK:         llvm.intr.prefetch
// CHECK:       scf.if
// CHECK:         llvm.call %{{.*}}({{.*}}, %[[WORKER]])
// CHECK:       scf.for %{{.*}} = %[[WORKER]] to %{{.*}} step %[[WORKERS]]
// CHECK:         arith.divf
step.program @decode max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f16>, %logits: !step.buffer<1x32xf32>) {
  %q = step.alloc at 0 : !step.buffer<1x2x32xf32>
  %o = step.alloc at 512 : !step.buffer<1x2x32xf32>
  step.layers %i = 0 to 1 {
    step.phase "attention" over heads {
      %0 = step.load %q : !step.buffer<1x2x32xf32> -> tensor<?x2x32xf32>
      %1 = lathe.attention %0, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x2x32xf32>, !lathe.kv<1 x 1 x 32 x f16>
      step.store %1, %o : tensor<?x2x32xf32>, !step.buffer<1x2x32xf32>
    }
  }
}

// -----

// Many rows: a tile is a head and a block of rows, which takes all of its splits.  Workers claim tiles
// as they come to them and take turns at few; behind claims all meet, so that nobody claims for the
// next phase ahead of another's last claim for this one.
// CHECK-LABEL: func.func private @prefill.attention
// CHECK-NOT:   llvm.call
// CHECK-NOT:   llvm.intr.prefetch
// CHECK:       scf.while (%[[TURN:.*]] = %arg2)
// CHECK:         scf.if %[[FEW:.*]] -> (i64) {
// CHECK-NEXT:      scf.yield %[[TURN]] : i64
// CHECK-NEXT:    } else {
// CHECK:           llvm.atomicrmw add %{{.*}}, %{{.*}} monotonic
// CHECK:       } do {
// CHECK:         arith.addi %{{.*}}, %arg3 : i64
// CHECK:       scf.if %[[FEW]] {
// CHECK-NEXT:  } else {
// CHECK:         llvm.store
// CHECK:         llvm.call %{{.*}}({{.*}}, %arg2)
// CHECK:       return
step.program @prefill max_rows = 8 arena = 8192 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f16>, %logits: !step.buffer<8x32xf32>) {
  %q = step.alloc at 0 : !step.buffer<8x2x32xf32>
  %o = step.alloc at 4096 : !step.buffer<8x2x32xf32>
  step.layers %i = 0 to 1 {
    step.phase "attention" over heads {
      %0 = step.load %q : !step.buffer<8x2x32xf32> -> tensor<?x2x32xf32>
      %1 = lathe.attention %0, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x2x32xf32>, !lathe.kv<1 x 1 x 32 x f16>
      step.store %1, %o : tensor<?x2x32xf32>, !step.buffer<8x2x32xf32>
    }
  }
}
