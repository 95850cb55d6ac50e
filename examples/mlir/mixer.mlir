// A mixer without attention: each row is added to a state that decays, channel by channel, and the
// state is handed on from step to step. The decay is 1 / (1 + exp(-a)).

lathe.weights @decay : tensor<16xf16> from "mixer.decay" in "mixer.safetensors"

#vector = affine_map<(c) -> (c)>

func.func @main(%x: tensor<?x16xf32> {lathe.name = "x"}, %state: tensor<16xf32> {lathe.name = "state"})
    -> (tensor<?x16xf32> {lathe.name = "y"}, tensor<16xf32> {lathe.name = "next"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  %a = lathe.weight @decay : tensor<16xf16>
  %e = tensor.empty() : tensor<16xf32>
  %decay = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
      ins(%a : tensor<16xf16>) outs(%e : tensor<16xf32>) {
  ^bb0(%in: f16, %out: f32):
    %wide = arith.extf %in : f16 to f32
    %minus = arith.negf %wide : f32
    %power = math.exp %minus : f32
    %sum = arith.addf %one, %power : f32
    %d = arith.divf %one, %sum : f32
    linalg.yield %d : f32
  } -> tensor<16xf32>

  %rows = tensor.dim %x, %c0 : tensor<?x16xf32>
  %empty = tensor.empty(%rows) : tensor<?x16xf32>
  %y, %next = scf.for %t = %c0 to %rows step %c1 iter_args(%ys = %empty, %s = %state)
      -> (tensor<?x16xf32>, tensor<16xf32>) {
    %row = tensor.extract_slice %x[%t, 0] [1, 16] [1, 1] : tensor<?x16xf32> to tensor<16xf32>
    %kept = arith.mulf %s, %decay : tensor<16xf32>
    %new = arith.addf %kept, %row : tensor<16xf32>
    %more = tensor.insert_slice %new into %ys[%t, 0] [1, 16] [1, 1]
        : tensor<16xf32> into tensor<?x16xf32>
    scf.yield %more, %new : tensor<?x16xf32>, tensor<16xf32>
  }
  return %y, %next : tensor<?x16xf32>, tensor<16xf32>
}
