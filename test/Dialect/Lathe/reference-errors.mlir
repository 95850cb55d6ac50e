// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-to-reference

// A layer runs a body that reads a weight which is not declared for it.
lathe.weights @w : [0, 2] x tensor<8x8xf32> from "blk.{}.w"
func.func @undeclared_layer(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32> {
    // expected-error@+1 {{layer 1 has no weight @w}}
    %w = lathe.weight @w[%i] : tensor<8x8xf32>
    %y = lathe.linear %h, %w : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
    lathe.yield %y : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

// A cache has fewer layers than the stack.
func.func @short_cache(%x: tensor<?x1x8xf32>, %kv: !lathe.kv<2 x 1 x 8 x f32>, %rows: !lathe.rows) -> !lathe.kv<2 x 1 x 8 x f32> {
  %0 = lathe.layers %i = 0 to 3 (%c = %kv) : !lathe.kv<2 x 1 x 8 x f32> {
    // expected-error@+1 {{layer 2 is beyond a cache of 2 layers}}
    %1 = lathe.kv_append %c[%i], %x, %x at %rows : !lathe.kv<2 x 1 x 8 x f32>, tensor<?x1x8xf32>
    lathe.yield %1 : !lathe.kv<2 x 1 x 8 x f32>
  }
  return %0 : !lathe.kv<2 x 1 x 8 x f32>
}

// -----

// expected-error@+1 {{values of type 'memref<8xf32>' have no reference form}}
func.func @memory(%x: memref<8xf32>) {
  return
}

// -----

// An upstream op on what is f32 in the reference.
func.func @other_type(%x: tensor<?x8xf32>) -> tensor<?x8xbf16> {
  %0 = lathe.quantize %x : tensor<?x8xf32> -> tensor<?x8xbf16>
  // expected-error@+1 {{uses a value of type 'tensor<?x8xbf16>', but its reference form is of another type}}
  %1 = math.absf %0 : tensor<?x8xbf16>
  return %1 : tensor<?x8xbf16>
}

// -----

func.func private @other(tensor<?x8xf32>) -> tensor<?x8xf32>
func.func @calls(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error@+1 {{has no reference meaning, or holds an op that has none}}
  %0 = call @other(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

// expected-error@+1 {{only functions of one block have a reference form}}
func.func @blocks(%x: tensor<8xf32>) -> tensor<8xf32> {
  cf.br ^next
^next:
  return %x : tensor<8xf32>
}
