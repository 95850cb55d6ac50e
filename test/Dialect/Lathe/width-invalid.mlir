// Widths that no contraction could keep to.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// Less than what is packed together.
func.func @step(%rows: !lathe.rows, %i: index) {
  // expected-error@+1 {{'lathe.width' op step must be a multiple of the 32 outputs that are packed together, got 16}}
  %w = lathe.width %rows[%i] of 96 by 16
  return
}

// -----

func.func @no_step(%rows: !lathe.rows, %i: index) {
  // expected-error@+1 {{step must be a multiple of the 32 outputs that are packed together, got 0}}
  %w = lathe.width %rows[%i] of 96 by 0
  return
}

// -----

func.func @neurons(%rows: !lathe.rows, %i: index) {
  // expected-error@+1 {{neurons must be a multiple of the step of 64 below 2^31, got 96}}
  %w = lathe.width %rows[%i] of 96 by 64
  return
}

// -----

func.func @none(%rows: !lathe.rows, %i: index) {
  // expected-error@+1 {{neurons must be a multiple of the step of 32 below 2^31, got 0}}
  %w = lathe.width %rows[%i] of 0 by 32
  return
}

// -----

func.func @unasked(%rows: !lathe.rows, %i: index) {
  // expected-error@+1 {{unasked must be a multiple of the step of 32 up to 96, got 128}}
  %w = lathe.width %rows[%i] of 96 by 32 unasked 128
  return
}

// -----

func.func @unasked_between(%rows: !lathe.rows, %i: index) {
  // expected-error@+1 {{unasked must be a multiple of the step of 32 up to 96, got 48}}
  %w = lathe.width %rows[%i] of 96 by 32 unasked 48
  return
}

// -----

// A width of something else.
func.func @outputs(%x: tensor<?x64xf32>, %m: tensor<96x64xf32>, %rows: !lathe.rows, %i: index) {
  %w = lathe.width %rows[%i] of 64 by 32
  // expected-error@+1 {{'lathe.linear' op number of outputs that have a width must be 64, got 96}}
  %0 = lathe.linear %x, %m to %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return
}

// -----

func.func @inputs(%x: tensor<?x64xf32>, %m: tensor<96x64xf32>, %rows: !lathe.rows, %i: index) {
  %w = lathe.width %rows[%i] of 96 by 32
  // expected-error@+1 {{number of inputs that have a width must be 96, got 64}}
  %0 = lathe.linear %x, %m of %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return
}

// -----

// Half of a block of weights.
func.func @block(%x: tensor<?x512xf32>, %m: tensor<96x512x!lathe.q4_k>, %rows: !lathe.rows, %i: index) {
  %w = lathe.width %rows[%i] of 512 by 128
  // expected-error@+1 {{the width of its inputs must be whole blocks of 256 elements, got steps of 128}}
  %0 = lathe.linear %x, %m of %w : tensor<?x512xf32>, tensor<96x512x!lathe.q4_k> -> tensor<?x96xf32>
  return
}

// -----

// A width that nobody says anything of.
func.func @unknown(%x: tensor<?x64xf32>, %m: tensor<96x64xf32>, %w: !lathe.width) {
  // expected-error@+1 {{the width of its outputs must come from lathe.width}}
  %0 = lathe.linear %x, %m to %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return
}

// -----

func.func @number(%x: tensor<?x64xf32>, %m: tensor<96x64xf32>, %n: index) {
  // expected-note@-1 {{prior use here}}
  // expected-error@+1 {{expects different type than prior uses: '!lathe.width' vs 'index'}}
  %0 = lathe.linear %x, %m to %n : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return
}
