// Declarations of weights that are refused.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A size that is not known.
// expected-error@+1 {{'lathe.weights' op a weight is a vector, a matrix or one matrix for each expert, of known size, got 'tensor<4x?xf32>'}}
lathe.weights @w : tensor<4x?xf32> from "w"

// -----

// More dimensions than matrices have.
// expected-error@+1 {{a weight is a vector, a matrix or one matrix for each expert, of known size, got 'tensor<2x2x2x32xf32>'}}
lathe.weights @w : tensor<2x2x2x32xf32> from "w"

// -----

// A weight without elements.
// expected-error@+1 {{a weight is a vector, a matrix or one matrix for each expert, of known size, got 'tensor<0x32xf32>'}}
lathe.weights @w : tensor<0x32xf32> from "w"

// -----

// A weight whose bytes no 64-bit number could count.
// expected-error@+1 {{a weight is a vector, a matrix or one matrix for each expert, of known size, got 'tensor<4611686018427387904x32xf32>'}}
lathe.weights @w : tensor<4611686018427387904x32xf32> from "w"

// -----

// No tensor at all.
// expected-error@+1 {{attribute 'type' failed to satisfy constraint: type attribute of ranked tensor of any type values}}
lathe.weights @w : memref<4x32xf32> from "w"

// -----

// A type that no tensor of a model file has.
// expected-error@+1 {{element type 'i8' is no registered weight format}}
lathe.weights @w : tensor<4x32xi8> from "w"

// -----

// Rows that do not end with a block.
// expected-error@+1 {{last dimension must be a multiple of the block of 32 elements, got 33}}
lathe.weights @w : tensor<4x33x!lathe.q4_0> from "w"

// -----

// Layers, and no place for their number.
// expected-error@+1 {{source of a layered weight must hold '{}' once, got "blk.weight"}}
lathe.weights @w : 3 x tensor<32xf32> from "blk.weight"

// -----

// Layers, and two places for their number.
// expected-error@+1 {{source of a layered weight must hold '{}' once, got "blk.{}.{}"}}
lathe.weights @w : 3 x tensor<32xf32> from "blk.{}.{}"

// -----

// A place for a number, and no layers.
// expected-error@+1 {{source of a single weight must hold '{}' nowhere, got "blk.{}"}}
lathe.weights @w : tensor<32xf32> from "blk.{}"

// -----

// A tensor without a name.
// expected-error@+1 {{source must name a tensor, got ""}}
lathe.weights @w : tensor<32xf32> from ""

// -----

// Layers of nothing.
// expected-error@+1 {{names no layer}}
lathe.weights @w : [] x tensor<32xf32> from "blk.{}"

// -----

// A layer twice.
// expected-error@+1 {{layers must be ascending, got 1 after 1}}
lathe.weights @w : [1, 1] x tensor<32xf32> from "blk.{}"

// -----

// Layers backwards.
// expected-error@+1 {{layers must be ascending, got 0 after 2}}
lathe.weights @w : [2, 0] x tensor<32xf32> from "blk.{}"

// -----

// A layer below the first.
// expected-error@+1 {{layers must be between 0 and 4095, got -1}}
lathe.weights @w : [-1, 2] x tensor<32xf32> from "blk.{}"

// -----

// A layer beyond the last that a model may have.
// expected-error@+1 {{layers must be between 0 and 4095, got 4096}}
lathe.weights @w : [4096] x tensor<32xf32> from "blk.{}"

// -----

// No layers, as a number.
// expected-error@+1 {{number of layers must be between 1 and 4096, got 0}}
lathe.weights @w : 0 x tensor<32xf32> from "blk.{}"

// -----

// More layers than a model may have, which would be a list of as many numbers.
// expected-error@+1 {{number of layers must be between 1 and 4096, got 1000000000000}}
lathe.weights @w : 1000000000000 x tensor<32xf32> from "blk.{}"

// -----

// A tensor is named by a string.
// expected-error@+1 {{invalid kind of attribute specified}}
lathe.weights @w : tensor<32xf32> from 3

// -----

// A program reads below its own folder alone.
// expected-error@+1 {{file must be a path below the folder of the program, got "a/../../w.gguf"}}
lathe.weights @w : tensor<32xf32> from "w" in "a/../../w.gguf"

// -----

// A file has a name.
// expected-error@+1 {{file must be a path below the folder of the program, got ""}}
lathe.weights @w : tensor<32xf32> from "w" in ""

// -----

// Packed as int16, weights come in pairs, and few enough for a sum in int32.
// expected-error@+1 {{a weight that is packed as int16 is a matrix whose width is a multiple of 2 up to 65536, got 'tensor<4x33x!lathe.i16_f32>'}}
lathe.weights @w : tensor<4x33x!lathe.i16_f32> from "w"

// -----

// expected-error@+1 {{a weight that is packed as int16 is a matrix whose width is a multiple of 2 up to 65536, got 'tensor<4x65538x!lathe.i16_f32>'}}
lathe.weights @w : tensor<4x65538x!lathe.i16_f32> from "w"

// -----

// expected-error@+1 {{a weight that is packed as int16 is a matrix whose width is a multiple of 2 up to 65536, got 'tensor<64x!lathe.i16_f32>'}}
lathe.weights @w : tensor<64x!lathe.i16_f32> from "w"

// -----

// Packed as int8, in quads.
// expected-error@+1 {{a weight that is packed as int8 is a matrix whose width is a multiple of 4 up to 65536, got 'tensor<4x34x!lathe.i8_f32>'}}
lathe.weights @w : tensor<4x34x!lathe.i8_f32> from "w"

// -----

// expected-error@+1 {{an order is one of a dimension of a vector or a matrix, got dimension 2 of 'tensor<64x64xf32>'}}
lathe.weights @w : tensor<64x64xf32> from "w" order #lathe.order<dim 2 from "o" in "cal">

// -----

// expected-error@+1 {{an order is one of a dimension of a vector or a matrix, got dimension 0 of 'tensor<2x64x64xf32>'}}
lathe.weights @w : tensor<2x64x64xf32> from "w" order #lathe.order<dim 0 from "o" in "cal">

// -----

// expected-error@+1 {{an order is a tensor of its layer in a file below the program's folder, got #lathe.order<dim 0 from "o" in "cal">}}
lathe.weights @w : 2 x tensor<64x64xf32> from "w.{}" order #lathe.order<dim 0 from "o" in "cal">

// -----

// expected-error@+1 {{an order is a tensor of its layer in a file below the program's folder, got #lathe.order<dim 0 from "o" in "../cal">}}
lathe.weights @w : tensor<64x64xf32> from "w" order #lathe.order<dim 0 from "o" in "../cal">
