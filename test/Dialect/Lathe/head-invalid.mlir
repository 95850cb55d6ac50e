// Heads that cannot be screened.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// At least one logit is wanted.
func.func @none(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<96x64x!lathe.q8_0>) {
  // expected-error@+1 {{'lathe.head_topk' op k must be from 1 to 64, got 0}}
  %0 = lathe.head_topk %x, %w {k = 0 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return
}

// -----

// Whoever wants many has use for all.
func.func @many(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<96x64x!lathe.q8_0>) {
  // expected-error@+1 {{k must be from 1 to 64, got 65}}
  %0 = lathe.head_topk %x, %w {k = 65 : i64} : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return
}

// -----

// Bounds are of integer rows.
func.func @rows(%x: tensor<?x64xbf16>, %w: tensor<96x64x!lathe.q8_0>) {
  // expected-error@+1 {{input must be !lathe.q8_act rows, got 'bf16'}}
  %0 = lathe.head_topk %x, %w : tensor<?x64xbf16>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return
}

// -----

// Integer rows meet blocks.
func.func @weight(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<96x64xf32>) {
  // expected-error@+1 {{an !lathe.q8_act input needs a block-quantised weight, got 'f32'}}
  %0 = lathe.head_topk %x, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64xf32> -> tensor<?x96xf32>
  return
}

// -----

// A weight is a matrix.
func.func @rank(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<64x!lathe.q8_0>) {
  // expected-error@+1 {{weight must be [outputs, inputs] of known size}}
  %0 = lathe.head_topk %x, %w : tensor<?x64x!lathe.q8_act>, tensor<64x!lathe.q8_0> -> tensor<?x64xf32>
  return
}

// -----

// A weight for other inputs.
func.func @width(%x: tensor<?x32x!lathe.q8_act>, %w: tensor<96x64x!lathe.q8_0>) {
  // expected-error@+1 {{width of the input}}
  %0 = lathe.head_topk %x, %w : tensor<?x32x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x96xf32>
  return
}

// -----

// A result of another size.
func.func @result(%x: tensor<?x64x!lathe.q8_act>, %w: tensor<96x64x!lathe.q8_0>) {
  // expected-error@+1 {{width of the result}}
  %0 = lathe.head_topk %x, %w : tensor<?x64x!lathe.q8_act>, tensor<96x64x!lathe.q8_0> -> tensor<?x64xf32>
  return
}
