// Every contraction says what it became, and attention whose products are of bf16.
// RUN: lathe-opt %s --lathe-lower-precision="remarks bf16-products" --verify-diagnostics -o %t

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

func.func @attentions(%q: tensor<?x1x32xf32>, %a: !lathe.kv<1 x 1 x 32 x bf16>, %b: !lathe.kv<1 x 1 x 32 x f16>, %i: index, %rows: !lathe.rows) -> (tensor<?x1x32xf32>, tensor<?x1x32xf32>) {
  // expected-remark@+1 {{multiplies 'bf16' by 'bf16'}}
  %0 = lathe.attention %q, %a[%i] at %rows {scale = 0.2 : f32} : tensor<?x1x32xf32>, !lathe.kv<1 x 1 x 32 x bf16>
  %1 = lathe.attention %0, %b[%i] at %rows {scale = 0.2 : f32} : tensor<?x1x32xf32>, !lathe.kv<1 x 1 x 32 x f16>
  return %0, %1 : tensor<?x1x32xf32>, tensor<?x1x32xf32>
}
