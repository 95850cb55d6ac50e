// Contractions whose sizes or formats do not fit.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A weight is a matrix.
func.func @rank(%x: tensor<?x64xf32>, %w: tensor<64xf32>) {
  // expected-error@+1 {{'lathe.linear' op weight must be [outputs, inputs] of known size, got 'tensor<64xf32>'}}
  %0 = lathe.linear %x, %w : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32>
  return
}

// -----

// A weight of known size.
func.func @size(%x: tensor<?x64xf32>, %w: tensor<?x64xf32>) {
  // expected-error@+1 {{weight must be [outputs, inputs] of known size, got 'tensor<?x64xf32>'}}
  %0 = lathe.linear %x, %w : tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// A weight in a format that is none.
func.func @format(%x: tensor<?x64xf32>, %w: tensor<96x64xi8>) {
  // expected-error@+1 {{weight has element type 'i8', which is no registered weight format}}
  %0 = lathe.linear %x, %w : tensor<?x64xf32>, tensor<96x64xi8> -> tensor<?x96xf32>
  return
}

// -----

// Rows of the weight that are no whole blocks.
func.func @block(%x: tensor<?x40xf32>, %w: tensor<96x40x!lathe.q4_1>) {
  // expected-error@+1 {{rows of the weight must be a multiple of the block of 32 elements, got 40}}
  %0 = lathe.linear %x, %w : tensor<?x40xf32>, tensor<96x40x!lathe.q4_1> -> tensor<?x96xf32>
  return
}

// -----

// A weight for other inputs.
func.func @inputs(%x: tensor<?x32xf32>, %w: tensor<96x64xf32>) {
  // expected-error@+1 {{width of the input must be 64, got 32}}
  %0 = lathe.linear %x, %w : tensor<?x32xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return
}

// -----

// A weight with other outputs.
func.func @outputs(%x: tensor<?x64xf32>, %w: tensor<96x64xf32>) {
  // expected-error@+1 {{width of the result must be 96, got 64}}
  %0 = lathe.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// A dot product of int8 blocks needs blocks on both sides.
func.func @activation(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<96x64xf16>) {
  // expected-error@+1 {{an !lathe.q8_act input needs a block-quantised weight, got 'f16'}}
  %0 = lathe.linear %x, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64xf16> -> tensor<?x96xf32>
  return
}

// -----

// So does one of int16.
func.func @wide_activation(%x: tensor<?x64x!lathe.q16_act>, %w: tensor<96x64xf32>) {
  // expected-error@+1 {{an '!lathe.q16_act' input needs a weight that is packed as int16, got 'f32'}}
  %0 = lathe.linear %x, %w : tensor<?x64x!lathe.q16_act>, tensor<96x64xf32> -> tensor<?x96xf32>
  return
}

// -----

// An input of an element type without an arithmetic.
func.func @input(%x: tensor<?x64xf16>, %w: tensor<96x64xf16>) {
  // expected-error@+1 {{operand #0 must be tensor of f32, bf16, !lathe.q8_act, !lathe.q16_act or !lathe.u8_act rows, of any number of rows of a known shape, but got 'tensor<?x64xf16>'}}
  %0 = lathe.linear %x, %w : tensor<?x64xf16>, tensor<96x64xf16> -> tensor<?x96xf32>
  return
}

// -----

// Sums are f32, whatever the arithmetic.
func.func @result(%x: tensor<?x64xbf16>, %w: tensor<96x64xbf16>) {
  // expected-error@+1 {{result #0 must be tensor of f32 rows, of any number of rows of a known shape, but got 'tensor<?x96xbf16>'}}
  %0 = lathe.linear %x, %w : tensor<?x64xbf16>, tensor<96x64xbf16> -> tensor<?x96xbf16>
  return
}
