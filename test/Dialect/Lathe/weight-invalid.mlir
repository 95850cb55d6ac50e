// Uses of weights that do not fit their declaration.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A name that nothing declares.
func.func @missing() {
  // expected-error@+1 {{'lathe.weight' op there is no lathe.weights @w}}
  %0 = lathe.weight @w : tensor<32xf32>
  return
}

// -----

// A name of something else.
func.func @other() {
  // expected-error@+1 {{there is no lathe.weights @other}}
  %0 = lathe.weight @other : tensor<32xf32>
  return
}

// -----

// Another format than declared.
lathe.weights @w : tensor<4x32x!lathe.q4_0> from "w"
func.func @format() {
  // expected-error@+1 {{type of @w is 'tensor<4x32x!lathe.q4_0>', but the value has type 'tensor<4x32x!lathe.q4_1>'}}
  %0 = lathe.weight @w : tensor<4x32x!lathe.q4_1>
  return
}

// -----

// A weight of the stack, without saying which layer's.
lathe.weights @w : 3 x tensor<32xf32> from "blk.{}"
func.func @no_layer() {
  // expected-error@+1 {{@w is a weight of the layer stack and needs a layer}}
  %0 = lathe.weight @w : tensor<32xf32>
  return
}

// -----

// A layer of what has none.
lathe.weights @w : tensor<32xf32> from "w"
func.func @layer(%i: index) {
  // expected-error@+1 {{@w is not a weight of the layer stack}}
  %0 = lathe.weight @w[%i] : tensor<32xf32>
  return
}

// -----

// A number of a layer that is out of range.
lathe.weights @w : 3 x tensor<32xf32> from "blk.{}"
func.func @out_of_range() {
  %i = arith.constant 3 : index
  // expected-error@+1 {{layer 3 has no weight @w}}
  %0 = lathe.weight @w[%i] : tensor<32xf32>
  return
}

// -----

// A negative number of a layer.
lathe.weights @w : 3 x tensor<32xf32> from "blk.{}"
func.func @negative() {
  %i = arith.constant -1 : index
  // expected-error@+1 {{layer -1 has no weight @w}}
  %0 = lathe.weight @w[%i] : tensor<32xf32>
  return
}

// -----

// A layer that runs the body, but has no such weight: the declaration leaves it out.
lathe.weights @w : [0, 2] x tensor<32xf32> from "blk.{}"
func.func @left_out(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x32xf32> {
    // expected-error@+1 {{layer 1 has no weight @w}}
    %w = lathe.weight @w[%i] : tensor<32xf32>
    lathe.yield %h : tensor<?x32xf32>
  }
  return %0 : tensor<?x32xf32>
}

// -----

// The layers that select names for a body are those that need its weights.
lathe.weights @even : [0, 2] x tensor<32xf32> from "even.{}"
lathe.weights @odd : [1] x tensor<32xf32> from "odd.{}"
func.func @wrong_body(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %0 = lathe.layers %i = 0 to 4 (%h = %x) select [0, 1, 0, 1] : tensor<?x32xf32> {
    %w = lathe.weight @even[%i] : tensor<32xf32>
    lathe.yield %h : tensor<?x32xf32>
  }, {
    // expected-error@+1 {{layer 3 has no weight @odd}}
    %w = lathe.weight @odd[%i] : tensor<32xf32>
    lathe.yield %h : tensor<?x32xf32>
  }
  return %0 : tensor<?x32xf32>
}
