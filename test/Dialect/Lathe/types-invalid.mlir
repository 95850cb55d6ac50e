// What is no type of the model level.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A format that nobody registered.
// expected-error@+1 {{unknown type 'q3_k': neither a type of the lathe dialect nor a registered block format}}
func.func private @format(tensor<4x32x!lathe.q3_k>)

// -----

// The plain formats have upstream's types, and no second name here.
// expected-error@+1 {{unknown type 'f32': neither a type of the lathe dialect nor a registered block format}}
func.func private @plain(tensor<4x32x!lathe.f32>)

// -----

// The name of the class of block types is none of a type.
// expected-error@+1 {{unknown type 'block'}}
func.func private @class(!lathe.block<"q4_1">)

// -----

// A cache of no layers.
// expected-error@+1 {{layers, heads and head dimension of a KV cache must be positive and their product at most 2^40, got 0 x 3 x 64}}
func.func private @no_layers(!lathe.kv<0 x 3 x 64 x f16>)

// -----

// A negative number of heads.
// expected-error@+1 {{must be positive and their product at most 2^40, got 2 x -3 x 64}}
func.func private @negative(!lathe.kv<2 x -3 x 64 x f16>)

// -----

// A cache whose bytes no 64-bit number could count.
// expected-error@+1 {{must be positive and their product at most 2^40, got 4294967296 x 4294967296 x 64}}
func.func private @overflow(!lathe.kv<4294967296 x 4294967296 x 64 x f16>)

// -----

// A number that is none of 64 bits.
// expected-error@+2 {{integer value too large}}
// expected-error@+1 {{failed to parse Lathe_KVType parameter 'layers'}}
func.func private @too_large(!lathe.kv<99999999999999999999 x 3 x 64 x f16>)

// -----

// Keys and values are f32, f16, bf16 or i8.
// expected-error@+1 {{the element type of a KV cache must be f32, f16, bf16 or i8, got 'i16'}}
func.func private @element(!lathe.kv<2 x 3 x 64 x i16>)

// -----

// A cache is four parameters.
// expected-error@+1 {{expected 'x'}}
func.func private @parameters(!lathe.kv<2 x 3>)
