// Ops of encoders whose operands do not fit.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A table of positions is a matrix.
func.func @position_rank(%rows: !lathe.rows, %t: tensor<64xf32>) {
  // expected-error@+1 {{'lathe.embed_position' op table must be [positions, width] of known size, got 'tensor<64xf32>'}}
  %0 = lathe.embed_position %rows, %t : tensor<64xf32> -> tensor<?x64xf32>
  return
}

// -----

// A result of another width than the table's rows.
func.func @position_width(%rows: !lathe.rows, %t: tensor<8x64xf32>) {
  // expected-error@+1 {{width of the result must be 64, got 32}}
  %0 = lathe.embed_position %rows, %t : tensor<8x64xf32> -> tensor<?x32xf32>
  return
}

// -----

// A table of segments in a format that is none.
func.func @segment_format(%rows: !lathe.rows, %t: tensor<2x64xf64>) {
  // expected-error@+1 {{'lathe.embed_segment' op table has element type 'f64', which is no registered weight format}}
  %0 = lathe.embed_segment %rows, %t : tensor<2x64xf64> -> tensor<?x64xf32>
  return
}

// -----

// A norm of another width than the rows.
func.func @norm_width(%x: tensor<?x64xf32>, %w: tensor<32xf32>) {
  // expected-error@+1 {{size of weight and bias must be 64, got 32}}
  %0 = lathe.layer_norm %x, %w, %w {eps = 0.0 : f32} : tensor<?x64xf32>, tensor<32xf32>
  return
}

// -----

// The roots of negative numbers are none.
func.func @norm_eps(%x: tensor<?x64xf32>, %w: tensor<64xf32>) {
  // expected-error@+1 {{eps must be a finite number that is not negative, got -1}}
  %0 = lathe.layer_norm %x, %w, %w {eps = -1.0 : f32} : tensor<?x64xf32>, tensor<64xf32>
  return
}

// -----

// Heads that do not divide a row.
func.func @heads(%rows: !lathe.rows, %x: tensor<?x64xf32>) {
  // expected-error@+1 {{rows of 64 elements do not divide into 3 heads}}
  %0 = lathe.self_attention %x, %x, %x at %rows {heads = 3, scale = 1.0 : f32} : tensor<?x64xf32>
  return
}

// -----

// No heads, by which nothing can be divided.
func.func @no_heads(%rows: !lathe.rows, %x: tensor<?x64xf32>) {
  // expected-error@+1 {{rows of 64 elements do not divide into 0 heads}}
  %0 = lathe.self_attention %x, %x, %x at %rows {heads = 0, scale = 1.0 : f32} : tensor<?x64xf32>
  return
}

// -----

// A scale that is no number.
func.func @scale(%rows: !lathe.rows, %x: tensor<?x64xf32>) {
  // expected-error@+1 {{scale must be a finite number, got nan}}
  %0 = lathe.self_attention %x, %x, %x at %rows {heads = 2, scale = 0x7FC00000 : f32} : tensor<?x64xf32>
  return
}

// -----

// Rows of a known number are no rows of a step.
func.func @rows(%rows: !lathe.rows, %x: tensor<4x64xf32>) {
  // expected-error@+1 {{must be tensor of f32 rows}}
  %0 = lathe.pool %x, %rows : tensor<4x64xf32>
  return
}
