// The types of the model level, as text, in generic form and as bytecode.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// Every registered block format is an element type; the plain ones are upstream's.
// CHECK: lathe.weights @f32 : tensor<4x32xf32>
// CHECK: lathe.weights @f16 : tensor<4x32xf16>
// CHECK: lathe.weights @bf16 : tensor<4x32xbf16>
// CHECK: lathe.weights @i16_f32 : tensor<4x32x!lathe.i16_f32>
// CHECK: lathe.weights @i16_f16 : tensor<4x32x!lathe.i16_f16>
// CHECK: lathe.weights @i16_bf16 : tensor<4x32x!lathe.i16_bf16>
// CHECK: lathe.weights @q4_0 : tensor<4x32x!lathe.q4_0>
// CHECK: lathe.weights @q4_1 : tensor<4x32x!lathe.q4_1>
// CHECK: lathe.weights @q4_k : tensor<4x256x!lathe.q4_k>
// CHECK: lathe.weights @q5_0 : tensor<4x32x!lathe.q5_0>
// CHECK: lathe.weights @q5_1 : tensor<4x32x!lathe.q5_1>
// CHECK: lathe.weights @q5_k : tensor<4x256x!lathe.q5_k>
// CHECK: lathe.weights @q6_k : tensor<4x256x!lathe.q6_k>
// CHECK: lathe.weights @q8_0 : tensor<4x32x!lathe.q8_0>
// CHECK: lathe.weights @q8_0_planes4 : tensor<4x32x!lathe.q8_0_planes4>
// CHECK: lathe.weights @q8_0_planes5 : tensor<4x32x!lathe.q8_0_planes5>
lathe.weights @f32 : tensor<4x32xf32> from "f32"
lathe.weights @f16 : tensor<4x32xf16> from "f16"
lathe.weights @bf16 : tensor<4x32xbf16> from "bf16"
lathe.weights @i16_f32 : tensor<4x32x!lathe.i16_f32> from "f32"
lathe.weights @i16_f16 : tensor<4x32x!lathe.i16_f16> from "f16"
lathe.weights @i16_bf16 : tensor<4x32x!lathe.i16_bf16> from "bf16"
lathe.weights @q4_0 : tensor<4x32x!lathe.q4_0> from "q4_0"
lathe.weights @q4_1 : tensor<4x32x!lathe.q4_1> from "q4_1"
lathe.weights @q4_k : tensor<4x256x!lathe.q4_k> from "q4_k"
lathe.weights @q5_0 : tensor<4x32x!lathe.q5_0> from "q5_0"
lathe.weights @q5_1 : tensor<4x32x!lathe.q5_1> from "q5_1"
lathe.weights @q5_k : tensor<4x256x!lathe.q5_k> from "q5_k"
lathe.weights @q6_k : tensor<4x256x!lathe.q6_k> from "q6_k"
lathe.weights @q8_0 : tensor<4x32x!lathe.q8_0> from "q8_0"
lathe.weights @q8_0_planes4 : tensor<4x32x!lathe.q8_0_planes4> from "q8_0_planes4"
lathe.weights @q8_0_planes5 : tensor<4x32x!lathe.q8_0_planes5> from "q8_0_planes5"

// Rows have no parameters.
// CHECK: func.func private @rows(!lathe.rows)
func.func private @rows(!lathe.rows)

// A cache is layers x heads x head dimension x element.
// CHECK: func.func private @kv(!lathe.kv<30 x 3 x 64 x f16>, !lathe.kv<1 x 1 x 1 x f32>, !lathe.kv<2 x 3 x 64 x bf16>, !lathe.kv<2 x 3 x 64 x i8>)
func.func private @kv(!lathe.kv<30 x 3 x 64 x f16>, !lathe.kv<1 x 1 x 1 x f32>, !lathe.kv<2 x 3 x 64 x bf16>, !lathe.kv<2 x 3 x 64 x i8>)

// Activations of int8 and int16 are element types too.
// CHECK: func.func private @activation(tensor<?x576x!lathe.q8_act>, tensor<?x50x!lathe.q16_act>, tensor<?x52x!lathe.u8_act>)
func.func private @activation(tensor<?x576x!lathe.q8_act>, tensor<?x50x!lathe.q16_act>, tensor<?x52x!lathe.u8_act>)
