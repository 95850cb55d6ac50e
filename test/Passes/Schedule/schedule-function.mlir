// A function on tensors becomes one program.
// RUN: lathe-opt %s --split-input-file --pass-pipeline='builtin.module(lathe-group-upstream,lathe-fuse,lathe-schedule{prefill-rows=32})' | FileCheck %s

// Results are made in their places; tensors of known shape are whole buffers.
// CHECK: step.program @main max_rows = 32 (%[[X:.*]]: !step.buffer<32x8xf32>, %[[V:.*]]: !step.buffer<8xf32, whole>) -> (%[[Y:.*]]: !step.buffer<32x8xf32>, %[[W:.*]]: !step.buffer<8xf32, whole>) attributes {names = ["x", "arg1", "result0", "w"]} {
// CHECK: step.phase "tanh" over rows {
// CHECK: step.load %[[X]] : <32x8xf32> -> tensor<?x8xf32>
// CHECK: step.store %{{.*}}, %[[Y]]
// CHECK: step.phase "exp" over whole {
// CHECK: step.load %[[V]] : <8xf32, whole> -> tensor<8xf32>
// CHECK: step.store %{{.*}}, %[[W]]
// CHECK-NOT: step.program
func.func @main(%x: tensor<?x8xf32> {lathe.name = "x"}, %v: tensor<8xf32>)
    -> (tensor<?x8xf32>, tensor<8xf32> {lathe.name = "w"}) {
  %y = math.tanh %x : tensor<?x8xf32>
  %w = math.exp %v : tensor<8xf32>
  return %y, %w : tensor<?x8xf32>, tensor<8xf32>
}

// -----

// A result that is an input, or another result, is copied.
// CHECK: step.program @main {{.*}}(%[[X:.*]]: !step.buffer<32x8xf32>) -> (%[[A:.*]]: !step.buffer<32x8xf32>, %[[B:.*]]: !step.buffer<32x8xf32>, %[[C:.*]]: !step.buffer<32x8xf32>)
// CHECK: step.phase "silu" over rows
// CHECK: step.store %{{.*}}, %[[B]]
// CHECK: step.phase "copy" over rows
// CHECK: step.load %[[X]]
// CHECK: step.store %{{.*}}, %[[A]]
// CHECK: step.phase "copy" over rows
// CHECK: step.load %[[B]]
// CHECK: step.store %{{.*}}, %[[C]]
func.func @main(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = lathe.silu %x : tensor<?x8xf32>
  return %x, %y, %y : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// What needs other rows, or their number, is computed over the whole.
// CHECK: step.phase "generic" over whole
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%n) : tensor<?x8xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(r, c) -> (r, c)>], iterator_types = ["parallel", "parallel"]}
      outs(%e : tensor<?x8xf32>) {
  ^bb0(%out: f32):
    %r = linalg.index 0 : index
    %i = arith.index_cast %r : index to i32
    %f = arith.sitofp %i : i32 to f32
    linalg.yield %f : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
