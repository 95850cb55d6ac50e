// Phases that differ only in where their buffers are, in which weights they read and in the layer call
// one kernel, with these numbers; across entries and bodies.  Phases with other code do not.
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 | FileCheck %s
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 | FileCheck %s --check-prefix=COUNT

lathe.weights @a : [0, 2] x tensor<32x32x!lathe.q8_0> from "blk.{}.a"
lathe.weights @b : [1] x tensor<32x32x!lathe.q8_0> from "blk.{}.b"
lathe.weights @d : 4 x tensor<32x32x!lathe.q8_0> from "blk.{}.d"
lathe.weights @c : [3] x tensor<32x32x!lathe.q4_0> from "blk.{}.c"

// COUNT-COUNT-3: func.func private @{{.*}}.code(
// COUNT-NOT:     .code(%arg0: !llvm.ptr

// CHECK:       func.func private @one.first.code(
// CHECK-LABEL: func.func private @one.first(
// CHECK:         call @one.first.code(

// The place among the layers that have the weight is found ahead of the kernel.
// CHECK-LABEL: func.func private @one.second(
// CHECK:         arith.select
// CHECK:         %[[OUT:.*]] = arith.constant 256 : i64
// CHECK:         call @one.first.code({{.*}}, %[[OUT]])

// Another format is other code.
// CHECK-LABEL: func.func private @one.third(
// CHECK:         call @one.third.code(
// CHECK-LABEL: func.func private @two.again(
// CHECK:         %[[FROM:.*]] = arith.constant 256 : i64
// CHECK:         %[[TO:.*]] = arith.constant 512 : i64
// CHECK:         call @one.first.code({{.*}}, %[[FROM]], %[[TO]])
// CHECK-LABEL: func.func private @two.scaled(
// CHECK:         call @two.scaled.code(
step.program @one max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x32x!lathe.q8_act>
  %y = step.alloc at 128 : !step.buffer<1x32xf32>
  %z = step.alloc at 256 : !step.buffer<1x32xf32>
  step.layers %i = 0 to 4 select [0, 1, 0, 2] {
    step.phase "first" over columns {
      %0 = step.load %x : !step.buffer<1x32x!lathe.q8_act> -> tensor<?x32x!lathe.q8_act>
      %w = lathe.weight @a[%i] : tensor<32x32x!lathe.q8_0>
      %1 = lathe.linear %0, %w : tensor<?x32x!lathe.q8_act>, tensor<32x32x!lathe.q8_0> -> tensor<?x32xf32>
      step.store %1, %y : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }, {
    step.phase "second" over columns {
      %0 = step.load %x : !step.buffer<1x32x!lathe.q8_act> -> tensor<?x32x!lathe.q8_act>
      %w = lathe.weight @b[%i] : tensor<32x32x!lathe.q8_0>
      %1 = lathe.linear %0, %w : tensor<?x32x!lathe.q8_act>, tensor<32x32x!lathe.q8_0> -> tensor<?x32xf32>
      step.store %1, %z : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }, {
    step.phase "third" over columns {
      %0 = step.load %x : !step.buffer<1x32x!lathe.q8_act> -> tensor<?x32x!lathe.q8_act>
      %w = lathe.weight @c[%i] : tensor<32x32x!lathe.q4_0>
      %1 = lathe.linear %0, %w : tensor<?x32x!lathe.q8_act>, tensor<32x32x!lathe.q4_0> -> tensor<?x32xf32>
      step.store %1, %z : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}

step.program @two max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
  %x = step.alloc at 256 : !step.buffer<1x32x!lathe.q8_act>
  %y = step.alloc at 512 : !step.buffer<1x32xf32>
  step.layers %i = 0 to 4 select [0, 1, 0, 1] {
    step.phase "again" over columns {
      %0 = step.load %x : !step.buffer<1x32x!lathe.q8_act> -> tensor<?x32x!lathe.q8_act>
      %w = lathe.weight @d[%i] : tensor<32x32x!lathe.q8_0>
      %1 = lathe.linear %0, %w : tensor<?x32x!lathe.q8_act>, tensor<32x32x!lathe.q8_0> -> tensor<?x32xf32>
      step.store %1, %y : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }, {
    // An epilogue more is other code.
    step.phase "scaled" over columns {
      %0 = step.load %x : !step.buffer<1x32x!lathe.q8_act> -> tensor<?x32x!lathe.q8_act>
      %w = lathe.weight @d[%i] : tensor<32x32x!lathe.q8_0>
      %1 = lathe.linear %0, %w : tensor<?x32x!lathe.q8_act>, tensor<32x32x!lathe.q8_0> -> tensor<?x32xf32>
      %2 = lathe.silu %1 : tensor<?x32xf32>
      step.store %2, %y : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
}
