// Layers are left out by a flag that all workers read, or for good.
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 --split-input-file | FileCheck %s

// CHECK:       func.func @lathe_entry_decode(%[[ARGS:.*]]: !llvm.ptr
// CHECK:         scf.for %[[I:.*]] =
// CHECK:           %[[RUNS:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK:           %[[FLAG:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i32
// CHECK:           %[[SET:.*]] = arith.cmpi ne, %[[FLAG]], %{{.*}} : i32
// CHECK:           scf.if %[[SET]] {
// CHECK:             call @decode.copy(%[[ARGS]], %[[I]],
step.program @decode max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.layers %i = 0 to 3 at %rows {
    step.phase "copy" over rows {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      step.store %0, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}

// -----

// Of 5 layers 0, 2 and 3 are left: a loop of three rounds, and no flag.
// CHECK:       func.func @lathe_entry_decode(%[[ARGS:.*]]: !llvm.ptr
// CHECK-DAG:     %[[THREE:.*]] = arith.constant 3 : i64
// CHECK:         scf.for %[[N:.*]] = %{{.*}} to %{{.*}} step
// CHECK-NOT:       scf.if
// CHECK:           arith.cmpi slt, %[[N]],
// CHECK:           %[[FIRST:.*]] = arith.select
// CHECK:           arith.cmpi slt, %[[FIRST]],
// CHECK:           %[[LAYER:.*]] = arith.select
// CHECK-NOT:       scf.if
// CHECK:           call @decode.copy(%[[ARGS]], %[[LAYER]],
// CHECK:         chooses_layers\22:false,\22skipped_layers\22:[1,4]
step.program @decode max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<5 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.layers %i = 0 to 5 skip [1, 4] {
    step.phase "copy" over rows {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      step.store %0, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}
