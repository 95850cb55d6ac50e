// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-to-reference

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
