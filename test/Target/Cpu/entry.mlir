// A program becomes one entry, which calls a function for each phase, in order, with the layer, the
// worker and the number of workers; it hands these and the places of buffers and weights to a kernel.
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 | FileCheck %s

lathe.weights @blk.w : 3 x tensor<32x32xf32> from "blk.{}.w"

// CHECK:     module attributes {lathe.target = "x86-64-v3"}

// Kernels have the names of their phases: what is no letter or digit becomes a line, and what would
// stand twice gets a number.
// CHECK-DAG: func.func private @decode.a_b(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64)
// CHECK-DAG: func.func private @decode.a_b.code(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64)
// CHECK-DAG: func.func private @decode.same(
// CHECK-DAG: func.func private @decode.same.1(

// CHECK:     func.func @lathe_entry_decode(%[[ARGS:.*]]: !llvm.ptr, %[[WORKER:.*]]: i64, %[[WORKERS:.*]]: i64) -> i32 {
// CHECK:       call @decode.a_b(%[[ARGS]], %{{.*}}, %[[WORKER]], %[[WORKERS]])
// CHECK:       scf.for %[[I:.*]] = {{.*}} {

// Every layer chooses its body.
// CHECK:         scf.if
// CHECK:           llvm.call %{{.*}}(%{{.*}}, %[[WORKER]]) : !llvm.ptr, (!llvm.ptr, i64) -> ()
// CHECK-NEXT:      {{.*}}call @decode.same(%[[ARGS]], %[[I]], %[[WORKER]], %[[WORKERS]])
// CHECK:         scf.if
// CHECK-NOT:       llvm.call
// CHECK:           call @decode.same.1(%[[ARGS]], %[[I]], %[[WORKER]], %[[WORKERS]])

// The status: done.
// CHECK:       %[[OK:.*]] = arith.constant 0 : i32
// CHECK:       return %[[OK]] : i32

// Nothing of the levels above is left.
// CHECK-NOT: step.
// CHECK-NOT: lathe.weights
step.program @decode max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32xf32>
  step.phase "a+b" over rows {
    %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
    step.store %0, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
  }
  step.layers %i = 0 to 3 select [0, 1, 0] {
    step.barrier
    step.phase "same" over columns {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      %w = lathe.weight @blk.w[%i] : tensor<32x32xf32>
      %1 = lathe.linear %0, %w : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
      step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }, {
    step.phase "same" over rows {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      %1 = lathe.silu %0 : tensor<?x32xf32>
      step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}
