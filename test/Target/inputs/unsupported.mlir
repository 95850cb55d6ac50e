// Everything in it that no code can be made of.
lathe.weights @q : tensor<32x32x!lathe.q8_0> from "q"
lathe.weights @both : tensor<32x32xf32> from "both"

func.func @main(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %c0 = arith.constant 0 : index
  %c7 = arith.constant 7 : index
  %two = arith.constant 2.0 : f32
  %zero = arith.constant 0.0 : f64
  %pow = math.powf %two, %two : f32
  %rest = arith.remf %two, %two : f32
  %any = tensor.empty(%c7) : tensor<?x32xf32>
  %strange = tensor.empty(%c7, %c7) : tensor<?x?xf32>
  %q = lathe.weight @q : tensor<32x32x!lathe.q8_0>
  %cast = tensor.cast %q : tensor<32x32x!lathe.q8_0> to tensor<?x32x!lathe.q8_0>
  %both = lathe.weight @both : tensor<32x32xf32>
  %y = lathe.linear %x, %both : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  %z = linalg.matmul ins(%y, %both : tensor<?x32xf32>, tensor<32x32xf32>)
      outs(%any : tensor<?x32xf32>) -> tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}
