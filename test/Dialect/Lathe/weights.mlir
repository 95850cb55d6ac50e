// Names of tensors, and their values.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --mlir-print-op-generic | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// A weight outside of the stack.
// CHECK: lathe.weights @norm : tensor<64xf32> from "norm.weight"
lathe.weights @norm : tensor<64xf32> from "norm.weight"

// A weight that says in which file it is.
// CHECK: lathe.weights @decay : tensor<64xf16> from "mixer.decay" in "weights/mixer.safetensors"
lathe.weights @decay : tensor<64xf16> from "mixer.decay" in "weights/mixer.safetensors"

// Weights that are stored in another order than that of the file.
// CHECK: lathe.weights @gate : 3 x tensor<128x64xf16> from "blk.{}.gate" order #lathe.order<dim 0 from "width.{}.order" in "model.cal">
// CHECK: lathe.weights @back : tensor<64x128xf16> from "back" in "a.safetensors" order #lathe.order<dim 1 from "o" in "b.safetensors">
lathe.weights @gate : 3 x tensor<128x64xf16> from "blk.{}.gate" order #lathe.order<dim 0 from "width.{}.order" in "model.cal">
lathe.weights @back : tensor<64x128xf16> from "back" in "a.safetensors" order #lathe.order<dim 1 from "o" in "b.safetensors">

// A weight of all layers prints as a number, however it was written.
// CHECK: lathe.weights @up : 3 x tensor<128x64x!lathe.q4_1> from "blk.{}.up.weight"
// CHECK: lathe.weights @listed : 2 x tensor<64xf32> from "blk.{}.listed"
lathe.weights @up : 3 x tensor<128x64x!lathe.q4_1> from "blk.{}.up.weight"
lathe.weights @listed : [0, 1] x tensor<64xf32> from "blk.{}.listed"

// A weight that only some layers have in this format prints as a list.
// CHECK: lathe.weights @down : [0, 2] x tensor<64x128xf16> from "blk.{}.down.weight"
lathe.weights @down : [0, 2] x tensor<64x128xf16> from "blk.{}.down.weight"

// The last layer that a model may have.
// CHECK: lathe.weights @last : [4095] x tensor<64xf32> from "{}"
lathe.weights @last : [4095] x tensor<64xf32> from "{}"

// Visibility and attributes of others survive.
// CHECK: lathe.weights @kept : tensor<64xf32> from "kept" {note = "why", sym_visibility = "private"}
lathe.weights @kept : tensor<64xf32> from "kept" {note = "why", sym_visibility = "private"}

// A weight becomes a value by its name, and by the layer where it has layers.
// CHECK-LABEL: func.func @values(
// CHECK:         lathe.weight @norm : tensor<64xf32>
// CHECK:         %[[TWO:.*]] = arith.constant 2 : index
// CHECK:         lathe.weight @down[%[[TWO]]] : tensor<64x128xf16>
// CHECK:         lathe.layers %[[I:.*]] = 0 to 3
// CHECK:           lathe.weight @up[%[[I]]] : tensor<128x64x!lathe.q4_1>
func.func @values(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %norm = lathe.weight @norm : tensor<64xf32>
  %two = arith.constant 2 : index
  %down = lathe.weight @down[%two] : tensor<64x128xf16>
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x64xf32> {
    %up = lathe.weight @up[%i] : tensor<128x64x!lathe.q4_1>
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// A layer that is known only at run time is taken on trust.
// CHECK-LABEL: func.func @any_layer(
// CHECK-SAME:    %[[LAYER:.*]]: index
// CHECK:         lathe.weight @up[%[[LAYER]]]
func.func @any_layer(%layer: index) -> tensor<128x64x!lathe.q4_1> {
  %up = lathe.weight @up[%layer] : tensor<128x64x!lathe.q4_1>
  return %up : tensor<128x64x!lathe.q4_1>
}
