// Ops on rows whose operands do not fit.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A table is a matrix.
func.func @embed_rank(%rows: !lathe.rows, %t: tensor<64xf32>) {
  // expected-error@+1 {{'lathe.embed' op table must be [vocabulary, width] of known size, got 'tensor<64xf32>'}}
  %0 = lathe.embed %rows, %t : tensor<64xf32> -> tensor<?x64xf32>
  return
}

// -----

// A table of known size.
func.func @embed_size(%rows: !lathe.rows, %t: tensor<?x64xf32>) {
  // expected-error@+1 {{table must be [vocabulary, width] of known size, got 'tensor<?x64xf32>'}}
  %0 = lathe.embed %rows, %t : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// A table in a format that is none.
func.func @embed_format(%rows: !lathe.rows, %t: tensor<96x64xf64>) {
  // expected-error@+1 {{table has element type 'f64', which is no registered weight format}}
  %0 = lathe.embed %rows, %t : tensor<96x64xf64> -> tensor<?x64xf32>
  return
}

// -----

// A table of rows that are no whole blocks.
func.func @embed_block(%rows: !lathe.rows, %t: tensor<96x40x!lathe.q4_0>) {
  // expected-error@+1 {{rows of the table must be a multiple of the block of 32 elements, got 40}}
  %0 = lathe.embed %rows, %t : tensor<96x40x!lathe.q4_0> -> tensor<?x40xf32>
  return
}

// -----

// A result of another width than the table's rows.
func.func @embed_width(%rows: !lathe.rows, %t: tensor<96x64xf32>) {
  // expected-error@+1 {{width of the result must be 64, got 32}}
  %0 = lathe.embed %rows, %t : tensor<96x64xf32> -> tensor<?x32xf32>
  return
}

// -----

// A result that is not f32.
func.func @embed_result(%rows: !lathe.rows, %t: tensor<96x64xf16>) {
  // expected-error@+1 {{result #0 must be tensor of f32 rows, of any number of rows of a known shape, but got 'tensor<?x64xf16>'}}
  %0 = lathe.embed %rows, %t : tensor<96x64xf16> -> tensor<?x64xf16>
  return
}

// -----

// A scale that is no number.
func.func @embed_scale(%rows: !lathe.rows, %t: tensor<96x64xf32>) {
  // expected-error@+1 {{scale must be a finite number, got nan}}
  %0 = lathe.embed %rows, %t {scale = 0x7FC00000 : f32} : tensor<96x64xf32> -> tensor<?x64xf32>
  return
}

// -----

// A number of rows that is written into the type.
func.func @static_rows(%x: tensor<4x64xf32>) {
  // expected-error@+1 {{'lathe.silu' op operand #0 must be tensor of f32 rows, of any number of rows of a known shape, but got 'tensor<4x64xf32>'}}
  %0 = lathe.silu %x : tensor<4x64xf32>
  return
}

// -----

// Rows of an unknown width.
func.func @unknown_width(%x: tensor<?x?xf32>) {
  // expected-error@+1 {{'lathe.add' op operand #0 must be tensor of f32 rows, of any number of rows of a known shape, but got 'tensor<?x?xf32>'}}
  %0 = lathe.add %x, %x : tensor<?x?xf32>
  return
}

// -----

// Rows of no elements.
func.func @no_width(%x: tensor<?x0xf32>) {
  // expected-error@+1 {{'lathe.mul' op operand #0 must be tensor of f32 rows, of any number of rows of a known shape, but got 'tensor<?x0xf32>'}}
  %0 = lathe.mul %x, %x : tensor<?x0xf32>
  return
}

// -----

// Other rows than were selected from.
func.func @select_logits(%rows: !lathe.rows, %x: tensor<?x64xf32>) {
  // expected-error@+1 {{'lathe.select_logits' op failed to verify that all of {input, result} have same type}}
  %0 = "lathe.select_logits"(%x, %rows) : (tensor<?x64xf32>, !lathe.rows) -> tensor<?x32xf32>
  return
}

// -----

// A norm of something else than f32.
func.func @norm_type(%x: tensor<?x64xbf16>, %w: tensor<64xf32>) {
  // expected-error@+1 {{'lathe.rms_norm' op operand #0 must be tensor of f32 rows, or rows of heads, of any number of rows of a known shape, but got 'tensor<?x64xbf16>'}}
  %0 = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xbf16>, tensor<64xf32>
  return
}

// -----

// A norm's weight has one element for each of a row.
func.func @norm_size(%x: tensor<?x64xf32>, %w: tensor<32xf32>) {
  // expected-error@+1 {{size of the weight must be 64, got 32}}
  %0 = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<32xf32>
  return
}

// -----

// A norm's weight has a known size.
func.func @norm_vector(%x: tensor<?x64xf32>, %w: tensor<?xf32>) {
  // expected-error@+1 {{operand #1 must be f32 vector of known size, but got 'tensor<?xf32>'}}
  %0 = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<?xf32>
  return
}

// -----

// A negative eps could make a root of a negative number.
func.func @norm_eps(%x: tensor<?x64xf32>, %w: tensor<64xf32>) {
  // expected-error@+1 {{eps must be a finite number that is not negative, got -1.000000e+00}}
  %0 = lathe.rms_norm %x, %w {eps = -1.0 : f32} : tensor<?x64xf32>, tensor<64xf32>
  return
}

// -----

// An eps that is missing.
func.func @norm_no_eps(%x: tensor<?x64xf32>, %w: tensor<64xf32>) {
  // expected-error@+1 {{'lathe.rms_norm' op requires attribute 'eps'}}
  %0 = lathe.rms_norm %x, %w : tensor<?x64xf32>, tensor<64xf32>
  return
}

// -----

// Quantisation keeps the width.
func.func @quantize_width(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{'lathe.quantize' op width of the result must be 64, got 32}}
  %0 = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x32x!lathe.q8_act>
  return
}

// -----

// An int8 activation is made of blocks of 32.
func.func @quantize_block(%x: tensor<?x40xf32>) {
  // expected-error@+1 {{width must be a multiple of 32 for !lathe.q8_act, got 40}}
  %0 = lathe.quantize %x : tensor<?x40xf32> -> tensor<?x40x!lathe.q8_act>
  return
}

// -----

// Elements of int16 come in pairs.
func.func @quantize_pairs(%x: tensor<?x41xf32>) {
  // expected-error@+1 {{width must be even for !lathe.q16_act, got 41}}
  %0 = lathe.quantize %x : tensor<?x41xf32> -> tensor<?x41x!lathe.q16_act>
  return
}

// -----

// Those of unsigned int8 come in quads.
func.func @quantize_quads(%x: tensor<?x42xf32>) {
  // expected-error@+1 {{width must be a multiple of 4 for !lathe.u8_act, got 42}}
  %0 = lathe.quantize %x : tensor<?x42xf32> -> tensor<?x42x!lathe.u8_act>
  return
}

// -----

// Activations have no other element types.
func.func @quantize_type(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{result #0 must be tensor of !lathe.q8_act, !lathe.q16_act, !lathe.u8_act or bf16 rows, of any number of rows of a known shape, but got 'tensor<?x64xf16>'}}
  %0 = lathe.quantize %x : tensor<?x64xf32> -> tensor<?x64xf16>
  return
}

// -----

// A table of angles holds a cosine and a sine.
func.func @table_pair(%rows: !lathe.rows) {
  // expected-error@+1 {{'lathe.rope_table' op last dimension of the result must be 2, got 3}}
  %0 = lathe.rope_table %rows {base = 1.0e+04 : f64} : tensor<?x16x3xf32>
  return
}

// -----

// The base of the angles is positive.
func.func @table_base(%rows: !lathe.rows) {
  // expected-error@+1 {{base must be a positive number, got 0.000000e+00}}
  %0 = lathe.rope_table %rows {base = 0.0 : f64} : tensor<?x16x2xf32>
  return
}

// -----

// The base of the angles is finite.
func.func @table_infinite(%rows: !lathe.rows) {
  // expected-error@+1 {{base must be a positive number, got INF}}
  %0 = lathe.rope_table %rows {base = 0x7FF0000000000000 : f64} : tensor<?x16x2xf32>
  return
}

// -----

// All angles are divided by the stretch.
func.func @table_stretch(%rows: !lathe.rows) {
  // expected-error@+1 {{stretch must be a positive number, got -8.000000e+00}}
  %0 = lathe.rope_table %rows {base = 1.0e+04 : f64, stretch = -8.0 : f32} : tensor<?x2x2xf32>
  return
}

// -----

// A factor divides a frequency.
func.func @table_factor(%rows: !lathe.rows) {
  // expected-error@+1 {{factors must be positive numbers, got 0.000000e+00}}
  %0 = lathe.rope_table %rows {base = 1.0e+04 : f64, factors = array<f32: 1.0, 0.0>} : tensor<?x2x2xf32>
  return
}

// -----

// There is a factor for each pair.
func.func @table_factors(%rows: !lathe.rows) {
  // expected-error@+1 {{number of factors must be 16, got 2}}
  %0 = lathe.rope_table %rows {base = 1.0e+04 : f64, factors = array<f32: 1.0, 2.0>} : tensor<?x16x2xf32>
  return
}

// -----

// Operands of a sum have one type.
func.func @add_types(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>) {
  // expected-error@+1 {{'lathe.add' op requires the same type for all operands and results}}
  %0 = "lathe.add"(%x, %y) : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
  return
}

// -----

// A bias has an element for each of a row.
func.func @bias_size(%x: tensor<?x64xf32>, %b: tensor<32xf32>) {
  // expected-error@+1 {{'lathe.bias' op size of the bias must be 64, got 32}}
  %0 = lathe.bias %x, %b : tensor<?x64xf32>, tensor<32xf32>
  return
}

// -----

// Elementwise ops have f32 operands.
func.func @gelu_type(%x: tensor<?x4x64xf32>) {
  // expected-error@+1 {{'lathe.gelu_tanh' op operand #0 must be tensor of f32 rows, of any number of rows of a known shape, but got 'tensor<?x4x64xf32>'}}
  %0 = lathe.gelu_tanh %x : tensor<?x4x64xf32>
  return
}

// -----

func.func @silu_type(%x: tensor<?x64xf16>) {
  // expected-error@+1 {{operand #0 must be tensor of f32 rows, of any number of rows of a known shape, but got 'tensor<?x64xf16>'}}
  %0 = lathe.silu %x : tensor<?x64xf16>
  return
}
