//===- Passes.td - Precision --------------------------------*- tablegen -*-===//

#ifndef LATHE_PASSES_PRECISION_PASSES_TD
#define LATHE_PASSES_PRECISION_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerPrecisionPass : Pass<"lathe-lower-precision"> {
  let summary = "chooses the arithmetic of every contraction and of the KV cache";
  let description = [{
    Inserts `lathe.quantize` in front of contractions, by policy:

    - `f32`: nothing changes;
    - `int8`: block-quantised weights take `!lathe.q8_act` activations, an
      int32 dot product per block of 32;
    - `bf16`: every contraction takes bf16 activations;
    - `auto`: as `int8`, and bf16 for weights that are stored as bf16; others
      stay in f32.

    The KV cache becomes f16 unless the policy is `f32` or `kv` says otherwise.
    Rows that several contractions read are quantised once. Declared effect:
    lowers-precision.

    Counts contractions: `int8`, `bf16` and `f32`.
  }];
  let options = [
    Option<"policy", "policy", "std::string", "\"auto\"", "auto, f32, bf16 or int8">,
    Option<"kv", "kv", "std::string", "\"auto\"", "element type of the KV cache: auto, f32 or f16">,
    Option<"remarks", "remarks", "bool", "false", "say what each contraction became">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

#endif // LATHE_PASSES_PRECISION_PASSES_TD
