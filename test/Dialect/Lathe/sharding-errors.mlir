// Splits that would not be exact. Upstream's passes do not look: they would cut 129 columns into 64 and 64.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(sharding-propagation{traversal=forward-backward},shard-partition))'

shard.grid @tp(shape = 2)
func.func @columns(%x: tensor<?x64xf32>, %w: tensor<129x64xf32>) -> tensor<?x129xf32> {
  %columns = shard.sharding @tp split_axes = [[0]] : !shard.sharding
  %ws = shard.shard %w to %columns : tensor<129x64xf32>
  // expected-error@+2 {{'lathe.linear' op cannot split dimension 0 of operand 1 over ranks: its size 129 is not a multiple of 2 ranks}}
  // expected-error@+1 {{'lathe.linear' op cannot split dimension 1 of result 0 over ranks: its size 129 is not a multiple of 2 ranks}}
  %y = lathe.linear %x, %ws : tensor<?x64xf32>, tensor<129x64xf32> -> tensor<?x129xf32>
  return %y : tensor<?x129xf32>
}

// -----

// The columns of nine heads divide by two, the heads do not.
shard.grid @tp(shape = 2)
func.func @query_heads(%x: tensor<?x64xf32>, %w: tensor<144x64xf32>) -> tensor<?x9x16xf32> {
  %columns = shard.sharding @tp split_axes = [[0]] : !shard.sharding
  %ws = shard.shard %w to %columns : tensor<144x64xf32>
  %q = lathe.linear %x, %ws : tensor<?x64xf32>, tensor<144x64xf32> -> tensor<?x144xf32>
  // expected-error@+1 {{cannot split dimension 1 of result 0 over ranks: its size 9 is not a multiple of 2 ranks}}
  %qh = lathe.split_heads %q : tensor<?x144xf32> -> tensor<?x9x16xf32>
  return %qh : tensor<?x9x16xf32>
}

// -----

shard.grid @tp(shape = 2)
func.func @merged_heads(%x: tensor<?x9x16xf32>) -> tensor<?x144xf32> {
  %heads = shard.sharding @tp split_axes = [[], [0]] : !shard.sharding
  %xs = shard.shard %x to %heads : tensor<?x9x16xf32>
  // expected-error@+1 {{cannot split dimension 1 of operand 0 over ranks: its size 9 is not a multiple of 2 ranks}}
  %y = lathe.merge_heads %xs : tensor<?x9x16xf32> -> tensor<?x144xf32>
  return %y : tensor<?x144xf32>
}

// -----

// Six query heads divide by two, the three heads of their cache do not.
shard.grid @tp(shape = 2)
func.func @cache_heads(%q: tensor<?x6x16xf32>, %c: !lathe.kv<4 x 3 x 16 x f16>, %i: index, %rows: !lathe.rows) -> tensor<?x6x16xf32> {
  %heads = shard.sharding @tp split_axes = [[], [0]] : !shard.sharding
  %qs = shard.shard %q to %heads : tensor<?x6x16xf32>
  // expected-error@+1 {{cannot split the heads of the cache over ranks: its size 3 is not a multiple of 2 ranks}}
  %o = lathe.attention %qs, %c[%i] at %rows {scale = 2.5e-01 : f32} : tensor<?x6x16xf32>, !lathe.kv<4 x 3 x 16 x f16>
  return %o : tensor<?x6x16xf32>
}

// -----

// Whole keys and values are appended, but only half of the query heads attend.
shard.grid @tp(shape = 2)
func.func @cache_of_other_heads(%q: tensor<?x4x16xf32>, %k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>, %c: !lathe.kv<4 x 2 x 16 x f16>,
    %i: index, %rows: !lathe.rows) -> tensor<?x4x16xf32> {
  %heads = shard.sharding @tp split_axes = [[], [0]] : !shard.sharding
  %all = shard.sharding @tp split_axes = [[]] : !shard.sharding
  %qs = shard.shard %q to %heads : tensor<?x4x16xf32>
  %ks = shard.shard %k to %all : tensor<?x2x16xf32>
  %c1 = lathe.kv_append %c[%i], %ks, %v at %rows : !lathe.kv<4 x 2 x 16 x f16>, tensor<?x2x16xf32>
  // expected-error@+1 {{needs a cache of type '!lathe.kv<4 x 1 x 16 x f16>' on each rank, but other ops make it '!lathe.kv<4 x 2 x 16 x f16>'}}
  %o = lathe.attention %qs, %c1[%i] at %rows {scale = 2.5e-01 : f32} : tensor<?x4x16xf32>, !lathe.kv<4 x 2 x 16 x f16>
  return %o : tensor<?x4x16xf32>
}

// -----

// The mean of squares of a row is no sum of the parts' means.
shard.grid @tp(shape = 2)
func.func @norm(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  %columns = shard.sharding @tp split_axes = [[], [0]] : !shard.sharding
  %xs = shard.shard %x to %columns : tensor<?x64xf32>
  // expected-error@+3 {{'lathe.rms_norm' op cannot split dimension 1 of operand 0 over ranks: a rank needs all of it, as only sums are joined from parts}}
  // expected-error@+2 {{'lathe.rms_norm' op cannot split dimension 0 of operand 1 over ranks}}
  // expected-error@+1 {{'lathe.rms_norm' op cannot split dimension 1 of result 0 over ranks}}
  %y = lathe.rms_norm %xs, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// The scores of a head sum over its elements, but the softmax comes in between.
shard.grid @tp(shape = 2)
func.func @attention(%q: tensor<?x4x16xf32>, %c: !lathe.kv<4 x 2 x 16 x f16>, %i: index, %rows: !lathe.rows) -> tensor<?x4x16xf32> {
  %elements = shard.sharding @tp split_axes = [[], [], [0]] : !shard.sharding
  %qs = shard.shard %q to %elements : tensor<?x4x16xf32>
  // expected-error@+2 {{cannot split dimension 2 of operand 0 over ranks: a rank needs all of it}}
  // expected-error@+1 {{cannot split dimension 2 of result 0 over ranks: a rank needs all of it}}
  %o = lathe.attention %qs, %c[%i] at %rows {scale = 2.5e-01 : f32} : tensor<?x4x16xf32>, !lathe.kv<4 x 2 x 16 x f16>
  return %o : tensor<?x4x16xf32>
}

// -----

// 96 inputs are three blocks of 32: two ranks would cut the second.
shard.grid @tp(shape = 2)
func.func @weight_blocks(%x: tensor<?x96xf32>, %w: tensor<64x96x!lathe.q4_1>) -> tensor<?x64xf32> {
  %inputs = shard.sharding @tp split_axes = [[], [0]] : !shard.sharding
  %ws = shard.shard %w to %inputs : tensor<64x96x!lathe.q4_1>
  // expected-error@+1 {{cannot split dimension 1 of operand 1 over ranks: its size 96 is not a multiple of 2 ranks times the block of 32 elements}}
  %y = lathe.linear %x, %ws : tensor<?x96xf32>, tensor<64x96x!lathe.q4_1> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

shard.grid @tp(shape = 4)
func.func @activation_blocks(%x: tensor<?x64xf32>) -> tensor<?x64x!lathe.q8_act> {
  %columns = shard.sharding @tp split_axes = [[], [0]] : !shard.sharding
  %xs = shard.shard %x to %columns : tensor<?x64xf32>
  // expected-error@+1 {{cannot split dimension 1 of result 0 over ranks: its size 64 is not a multiple of 4 ranks times the block of 32 elements}}
  %q = lathe.quantize %xs : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  return %q : tensor<?x64x!lathe.q8_act>
}

// -----

shard.grid @dp(shape = 2)
func.func @rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %rows = shard.sharding @dp split_axes = [[0]] : !shard.sharding
  %xs = shard.shard %x to %rows : tensor<?x64xf32>
  // expected-error@+2 {{cannot split dimension 0 of operand 0 over ranks: its size and the number of ranks must be known}}
  // expected-error@+1 {{cannot split dimension 0 of result 0 over ranks}}
  %y = lathe.silu %xs : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// Annotated for the users, so that propagation leaves it: keys by heads, but whole values.
shard.grid @tp(shape = 2)
func.func @disagreement(%k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>, %c: !lathe.kv<4 x 2 x 16 x f16>, %i: index,
    %rows: !lathe.rows) -> !lathe.kv<4 x 2 x 16 x f16> {
  %heads = shard.sharding @tp split_axes = [[], [0]] : !shard.sharding
  %all = shard.sharding @tp split_axes = [[]] : !shard.sharding
  %k0 = shard.shard %k to %heads : tensor<?x2x16xf32>
  %ks = shard.shard %k0 to %heads annotate_for_users : tensor<?x2x16xf32>
  %v0 = shard.shard %v to %all : tensor<?x2x16xf32>
  %vs = shard.shard %v0 to %all annotate_for_users : tensor<?x2x16xf32>
  // expected-error@+1 {{has operands or results that are split differently}}
  %c1 = lathe.kv_append %c[%i], %ks, %vs at %rows : !lathe.kv<4 x 2 x 16 x f16>, tensor<?x2x16xf32>
  return %c1 : !lathe.kv<4 x 2 x 16 x f16>
}
