// Every contraction says what it became.
// RUN: lathe-opt %s --lathe-lower-precision=remarks --verify-diagnostics -o %t

lathe.weights @q4 : tensor<64x64x!lathe.q4_0> from "a"
lathe.weights @half : tensor<64x64xf16> from "c"

func.func @linears(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %wa = lathe.weight @q4 : tensor<64x64x!lathe.q4_0>
  %wc = lathe.weight @half : tensor<64x64xf16>
  // expected-remark@+1 {{multiplies '!lathe.q8_act' by '!lathe.q4_0'}}
  %a = lathe.linear %x, %wa : tensor<?x64xf32>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
  // expected-remark@+1 {{multiplies 'f32' by 'f16'}}
  %c = lathe.linear %x, %wc : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
  // Nothing is decided for rows that are narrow already, so nothing is said.
  %q = lathe.quantize %a : tensor<?x64xf32> -> tensor<?x64xbf16>
  %d = lathe.linear %q, %wa : tensor<?x64xbf16>, tensor<64x64x!lathe.q4_0> -> tensor<?x64xf32>
  return %c, %d : tensor<?x64xf32>, tensor<?x64xf32>
}
