// An exit is a branch on a number that all workers read; behind it the layers run their rest, or none does.
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 --split-input-file | FileCheck %s

// CHECK:       func.func @lathe_entry_decode(%[[ARGS:[a-z0-9]+]]: !llvm.ptr, %[[WORKER:[a-z0-9]+]]: i64
// CHECK:         %[[LEFT:.*]] = llvm.alloca %{{.*}} x i64
// CHECK:         llvm.store %{{.*}}, %[[LEFT]] {{.*}}: i64
// CHECK:         scf.for %[[I:.*]] =
// CHECK:           %[[HAS:.*]] = llvm.load %[[LEFT]] {{.*}}: !llvm.ptr -> i64
// CHECK:           %[[STAYS:.*]] = arith.cmpi eq, %[[HAS]], %{{.*}} : i64
// CHECK:           scf.if %[[STAYS]] {

// The confidence is computed where less than infinity is asked for.
// CHECK:             %[[WANTED:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK:             %[[ASKED:.*]] = arith.cmpf olt, %[[WANTED]], %{{.*}} : f32
// CHECK:             scf.if %[[ASKED]] {
// CHECK:               call @decode.sure(%[[ARGS]], %[[I]],
// CHECK:               %[[FOUND:.*]] = llvm.load %{{.*}} : !llvm.ptr -> f32
// CHECK:               %[[REACHED:.*]] = arith.cmpf oge, %[[FOUND]], %[[WANTED]] : f32
// CHECK:               %[[FORCED:.*]] = arith.cmpf oeq, %[[WANTED]], %{{.*}} : f32
// CHECK:               %[[LEAVES:.*]] = arith.ori %[[REACHED]], %[[FORCED]] : i1
// CHECK:               scf.if %[[LEAVES]] {
// CHECK:                 call @decode.lens(%[[ARGS]], %[[I]],
// CHECK:                 llvm.store %{{.*}}, %[[LEFT]] {{.*}}: i64

// One worker tells.
// CHECK:                 %[[FIRST:.*]] = arith.cmpi eq, %[[WORKER]], %{{.*}} : i64
// CHECK:                 scf.if %[[FIRST]] {
// CHECK:                   llvm.store %[[I]], %{{.*}}: i64
// CHECK:           } else {
// CHECK-NOT:         @decode.sure
// CHECK:             call @decode.rest(%[[ARGS]], %[[I]],
// CHECK:         exits\22:[0,1],\22behind\22:\22propagate\22
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  %p = step.alloc at 256 : !step.buffer<1x1xf32>
  step.layers %i = 0 to 3 at %rows select [0, 0, 1] rest [2, 2, 2] behind propagate {
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
      step.phase "sure" over rows {
        %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
        %1 = lathe.margin %0 : tensor<?x32xf32>
        step.store %1, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
      }
      step.barrier
    } leaving {
      step.phase "lens" over rows {
        %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
        step.store %0, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
      }
    }
  }, {
    step.phase "plain" over rows {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      step.store %0, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }, {
    step.phase "rest" over rows {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      step.store %0, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}

// -----

// Without a rest nothing runs behind an exit.
// CHECK:       func.func @lathe_entry_decode(
// CHECK:         scf.for
// CHECK:           scf.if
// CHECK:             call @decode.layer
// CHECK-NOT:       } else {
// CHECK:         return
// CHECK:         exits\22:[0,1,2],\22behind\22:\22defer\22
step.program @decode max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  %p = step.alloc at 256 : !step.buffer<1x1xf32>
  step.layers %i = 0 to 3 at %rows behind defer {
    step.phase "layer" over rows {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      %1 = lathe.margin %0 : tensor<?x32xf32>
      step.store %1, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
    }
    step.barrier
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
    } leaving {
    }
  }
}
