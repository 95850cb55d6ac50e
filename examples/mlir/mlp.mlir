// A gated block: RMS norm, two products with weights of our own op, an activation of our own
// making, and a product with a weight by linalg.

lathe.weights @norm : tensor<16xf32> from "mlp.norm" in "mlp.safetensors"
lathe.weights @gate : tensor<32x16xf32> from "mlp.gate" in "mlp.safetensors"
lathe.weights @up : tensor<32x16xbf16> from "mlp.up" in "mlp.safetensors"
lathe.weights @down : tensor<32x16xf32> from "mlp.down" in "mlp.safetensors"

#map = affine_map<(r, c) -> (r, c)>

func.func @main(%x: tensor<?x16xf32> {lathe.name = "x"}) -> (tensor<?x16xf32> {lathe.name = "y"}) {
  %norm = lathe.weight @norm : tensor<16xf32>
  %n = lathe.rms_norm %x, %norm {eps = 1.0e-05 : f32} : tensor<?x16xf32>, tensor<16xf32>
  %gate = lathe.weight @gate : tensor<32x16xf32>
  %g = lathe.linear %n, %gate : tensor<?x16xf32>, tensor<32x16xf32> -> tensor<?x32xf32>
  %up = lathe.weight @up : tensor<32x16xbf16>
  %u = lathe.linear %n, %up : tensor<?x16xf32>, tensor<32x16xbf16> -> tensor<?x32xf32>

  // relu(g)^2 * u, which no op of ours computes.
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x16xf32>
  %e = tensor.empty(%rows) : tensor<?x32xf32>
  %h = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%g, %u : tensor<?x32xf32>, tensor<?x32xf32>) outs(%e : tensor<?x32xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %m = arith.maximumf %a, %zero : f32
    %s = arith.mulf %m, %m : f32
    %p = arith.mulf %s, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x32xf32>

  %down = lathe.weight @down : tensor<32x16xf32>
  %e2 = tensor.empty(%rows) : tensor<?x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x16xf32>) -> tensor<?x16xf32>
  %d = linalg.matmul ins(%h, %down : tensor<?x32xf32>, tensor<32x16xf32>)
      outs(%z : tensor<?x16xf32>) -> tensor<?x16xf32>
  %y = lathe.add %x, %d : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
