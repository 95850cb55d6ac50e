// What the runtime must know of a program is a constant in it.
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v4 | FileCheck %s

// CHECK:      llvm.mlir.global external constant @lathe_manifest("{\22abi\22:
// CHECK-SAME: \22target\22:\22x86-64-v4\22
// CHECK-SAME: \22features\22:[{{[^]]*}}\22avx512vnni\22{{[^]]*}}]
// CHECK-SAME: \22precision\22:\22int8\22
// CHECK-SAME: \22model\22:{\22architecture\22:\22llama\22,\22layers\22:3}

// Both entries, with what they need.
// CHECK-SAME: \22entries\22:[{\22name\22:\22decode\22,\22max_rows\22:1,\22arena_bytes\22:128,\22arena_bound\22:64,
// CHECK-SAME: {\22name\22:\22prefill\22,\22max_rows\22:4,\22arena_bytes\22:512,\22arena_bound\22:0,

// Weights are numbered one after the other, one number for each layer that has them; matrices are
// packed into panels of 32 rows, vectors are not.
// CHECK-SAME: {\22symbol\22:\22norm\22,\22format\22:\22f32\22,\22shape\22:[32],\22layout\22:\22vector\22,\22first\22:0,\22tensors\22:\22output_norm.weight\22}
// CHECK-SAME: {\22symbol\22:\22blk.w\22,\22format\22:\22q4_1\22,\22shape\22:[64,32],\22layout\22:\22panel32\22,\22first\22:1,\22layers\22:[0,2],\22tensors\22:\22blk.{}.w\22}
// CHECK-SAME: {\22symbol\22:\22head\22,\22format\22:\22bf16\22,\22shape\22:[32,32],\22layout\22:\22panel32\22,\22first\22:3,\22tensors\22:\22output.weight\22}

// Keys and values of 3 layers, 2 heads of 32 f16 elements: 2 * 3 * 2 * 32 * 2 bytes.
// CHECK-SAME: \22kv\22:{\22type\22:\22f16\22,\22bytes_per_position\22:768
// CHECK:      llvm.mlir.global external constant @lathe_manifest_size({{[1-9][0-9]*}} : i64)
module attributes {lathe.model = {architecture = "llama", layers = 3 : i64}, lathe.precision = "int8"} {
  lathe.weights @norm : tensor<32xf32> from "output_norm.weight"
  lathe.weights @blk.w : [0, 2] x tensor<64x32x!lathe.q4_1> from "blk.{}.w"
  lathe.weights @head : tensor<32x32xbf16> from "output.weight"
  step.program @decode max_rows = 1 arena = 128 bound = 64 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 2 x 32 x f16>, %logits: !step.buffer<1x32xf32>) {
    %x = step.alloc at 0 : !step.buffer<1x32xf32>
    step.phase "norm" over rows {
      %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      %w = lathe.weight @norm : tensor<32xf32>
      %1 = lathe.rms_norm %0, %w {eps = 1.0e-05 : f32} : tensor<?x32xf32>, tensor<32xf32>
      step.store %1, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
  }
  step.program @prefill max_rows = 4 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 2 x 32 x f16>, %logits: !step.buffer<4x32xf32>) {
  }
}
