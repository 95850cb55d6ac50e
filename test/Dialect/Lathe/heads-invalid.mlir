// Heads, angles and caches that do not fit each other.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// Heads that do not fill a row.
func.func @split(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{'lathe.split_heads' op heads times head dimension must be 64, got 96}}
  %0 = lathe.split_heads %x : tensor<?x64xf32> -> tensor<?x3x32xf32>
  return
}

// -----

// A row that does not hold all heads.
func.func @merge(%x: tensor<?x3x32xf32>) {
  // expected-error@+1 {{'lathe.merge_heads' op width of the result must be 96, got 64}}
  %0 = lathe.merge_heads %x : tensor<?x3x32xf32> -> tensor<?x64xf32>
  return
}

// -----

// Heads whose number overflows when multiplied.
func.func @overflow(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{result #0 must be tensor of f32 rows of heads, of any number of rows of a known shape}}
  %0 = lathe.split_heads %x : tensor<?x64xf32> -> tensor<?x4294967296x4294967296xf32>
  return
}

// -----

// A table that turns more than a head has.
func.func @rope_table(%x: tensor<?x2x32xf32>, %t: tensor<?x32x2xf32>) {
  // expected-error@+1 {{'lathe.rope' op table turns 64 elements, but a head has only 32}}
  %0 = lathe.rope %x, %t interleaved : tensor<?x2x32xf32>, tensor<?x32x2xf32>
  return
}

// -----

// A table without sines.
func.func @rope_pairs(%x: tensor<?x2x32xf32>, %t: tensor<?x16x1xf32>) {
  // expected-error@+1 {{last dimension of the table must be 2, got 1}}
  %0 = lathe.rope %x, %t interleaved : tensor<?x2x32xf32>, tensor<?x16x1xf32>
  return
}

// -----

// A table of an unknown number of pairs.
func.func @rope_unknown(%x: tensor<?x2x32xf32>, %t: tensor<?x?x2xf32>) {
  // expected-error@+1 {{operand #1 must be tensor of f32 rows of heads, of any number of rows of a known shape, but got 'tensor<?x?x2xf32>'}}
  %0 = lathe.rope %x, %t interleaved : tensor<?x2x32xf32>, tensor<?x?x2xf32>
  return
}

// -----

// A pairing that is none.
func.func @rope_layout(%x: tensor<?x2x32xf32>, %t: tensor<?x16x2xf32>) {
  // expected-error@+1 {{expected 'interleaved' or 'half', got 'both'}}
  %0 = lathe.rope %x, %t both : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  return
}

// -----

// Keys of other heads than the cache has.
func.func @append_heads(%kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %k: tensor<?x4x32xf32>, %rows: !lathe.rows) {
  // expected-error@+1 {{'lathe.kv_append' op key and value heads must be 2, got 4}}
  %0 = lathe.kv_append %kv[%i], %k, %k at %rows : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x4x32xf32>
  return
}

// -----

// Keys of another size than the cache has.
func.func @append_dimension(%kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %k: tensor<?x2x64xf32>, %rows: !lathe.rows) {
  // expected-error@+1 {{head dimension must be 32, got 64}}
  %0 = lathe.kv_append %kv[%i], %k, %k at %rows : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x64xf32>
  return
}

// -----

// Values of another shape than the keys.
func.func @append_values(%kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %k: tensor<?x2x32xf32>, %v: tensor<?x2x64xf32>, %rows: !lathe.rows) {
  // expected-error@+1 {{failed to verify that all of {key, value} have same type}}
  %0 = "lathe.kv_append"(%kv, %i, %k, %v, %rows) : (!lathe.kv<2 x 2 x 32 x f16>, index, tensor<?x2x32xf32>, tensor<?x2x64xf32>, !lathe.rows) -> !lathe.kv<2 x 2 x 32 x f16>
  return
}

// -----

// A layer that the cache has no room for.
func.func @append_layer(%kv: !lathe.kv<2 x 2 x 32 x f16>, %k: tensor<?x2x32xf32>, %rows: !lathe.rows) {
  %i = arith.constant 2 : index
  // expected-error@+1 {{layer 2 is beyond a cache of 2 layers}}
  %0 = lathe.kv_append %kv[%i], %k, %k at %rows : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x32xf32>
  return
}

// -----

// A stack with more layers than its cache.
func.func @short_cache(%kv: !lathe.kv<2 x 2 x 32 x f16>, %k: tensor<?x2x32xf32>, %rows: !lathe.rows) {
  %0 = lathe.layers %i = 0 to 3 (%c = %kv) : !lathe.kv<2 x 2 x 32 x f16> {
    // expected-error@+1 {{layer 2 is beyond a cache of 2 layers}}
    %1 = lathe.kv_append %c[%i], %k, %k at %rows : !lathe.kv<2 x 2 x 32 x f16>, tensor<?x2x32xf32>
    lathe.yield %1 : !lathe.kv<2 x 2 x 32 x f16>
  }
  return
}

// -----

// Query heads that cannot share the cache's heads evenly.
func.func @attention_heads(%q: tensor<?x5x32xf32>, %kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %rows: !lathe.rows) {
  // expected-error@+1 {{'lathe.attention' op 5 query heads do not divide into 2 key and value heads}}
  %0 = lathe.attention %q, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x5x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  return
}

// -----

// Queries of another size than the keys.
func.func @attention_dimension(%q: tensor<?x4x64xf32>, %kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %rows: !lathe.rows) {
  // expected-error@+1 {{head dimension must be 32, got 64}}
  %0 = lathe.attention %q, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x4x64xf32>, !lathe.kv<2 x 2 x 32 x f16>
  return
}

// -----

// A window that no position is in.
func.func @attention_window(%q: tensor<?x4x32xf32>, %kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %rows: !lathe.rows) {
  // expected-error@+1 {{window must be positive, got -8}}
  %0 = lathe.attention %q, %kv[%i] at %rows {scale = 1.0 : f32, window = -8} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  return
}

// -----

// A scale that is no number.
func.func @attention_scale(%q: tensor<?x4x32xf32>, %kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %rows: !lathe.rows) {
  // expected-error@+1 {{scale must be a finite number, got INF}}
  %0 = lathe.attention %q, %kv[%i] at %rows {scale = 0x7F800000 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  return
}

// -----

// Products of bf16 over a cache that is not.
func.func @attention_precision(%q: tensor<?x4x32xf32>, %kv: !lathe.kv<2 x 2 x 32 x f16>, %i: index, %rows: !lathe.rows) {
  // expected-error@+1 {{precision_type may be bf16, over a cache of bf16; got 'bf16', over a cache of 'f16'}}
  %0 = lathe.attention %q, %kv[%i] at %rows {precision_type = bf16, scale = 1.0 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  return
}

// -----

// Products of a type that nothing computes.
func.func @attention_precision_type(%q: tensor<?x4x32xf32>, %kv: !lathe.kv<2 x 2 x 32 x bf16>, %i: index, %rows: !lathe.rows) {
  // expected-error@+1 {{precision_type may be bf16, over a cache of bf16; got 'i8', over a cache of 'bf16'}}
  %0 = lathe.attention %q, %kv[%i] at %rows {precision_type = i8, scale = 1.0 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x bf16>
  return
}

// -----

// A precision type that is no type.
func.func @attention_precision_number(%q: tensor<?x4x32xf32>, %kv: !lathe.kv<2 x 2 x 32 x bf16>, %i: index, %rows: !lathe.rows) {
  // expected-error@+1 {{attribute 'precision_type' failed to satisfy constraint}}
  %0 = lathe.attention %q, %kv[%i] at %rows {precision_type = 16, scale = 1.0 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x bf16>
  return
}

// -----

// A layer that the cache does not have.
func.func @attention_layer(%q: tensor<?x4x32xf32>, %kv: !lathe.kv<2 x 2 x 32 x f16>, %rows: !lathe.rows) {
  %i = arith.constant -1 : index
  // expected-error@+1 {{layer -1 is beyond a cache of 2 layers}}
  %0 = lathe.attention %q, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x4x32xf32>, !lathe.kv<2 x 2 x 32 x f16>
  return
}
