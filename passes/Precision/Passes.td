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
    - `int16`: weights that are stored as floats are packed as int16 with a scale
      for each output, and take `!lathe.q16_act` activations, an int32 dot product
      for all k; block-quantised ones as under `int8`;
    - `mixed`: as `int16`, but where little is lost weights are packed as int8 with a scale for
      every 128 elements of an output, and take `!lathe.u8_act` activations, an int32 dot product
      for each of these: where the rows are what attention mixed or what an activation
      function gave, which have no columns far greater than the others as norms make them, and
      where the result is a query or key of attention in both directions, of which a
      softmax takes little notice;
    - `bf16`: every contraction takes bf16 activations;
    - `auto`: as `int8`, and what `stored-bf16` says for weights that are stored
      as bf16: rows of bf16 where the target multiplies pairs of them, of f32
      where it would widen both sides; others stay in f32. A module with attention in both
      directions takes what `encoders` says.

    The KV cache becomes what `kv` says; under `auto` that is what `auto-kv` says,
    bf16 where the target multiplies pairs of them and f16 elsewhere, and nothing
    where the policy is `f32`. Attention over a cache of bf16, whatever chose it, gets
    the `precision_type` bf16 where `bf16-products` says that the target multiplies
    pairs of them: then queries and weights are rounded as keys and values are.
    Rows that several contractions read are quantised once. Declared effect:
    lowers-precision.

    Counts contractions: `bytes`, `int8`, `int16`, `bf16` and `f32`; and `attention`s whose
    products became bf16.
  }];
  let options = [
    Option<"policy", "policy", "std::string", "\"auto\"", "auto, f32, bf16, mixed, int16 or int8">,
    Option<"kv", "kv", "std::string", "\"auto\"", "element type of the KV cache: auto, f32, f16, bf16 or int8">,
    Option<"autoKV", "auto-kv", "std::string", "\"f16\"", "element type of the KV cache where kv is auto: f16 or bf16">,
    Option<"storedBF16", "stored-bf16", "std::string", "\"bf16\"", "rows that meet weights stored as bf16 where the policy is auto: bf16 or f32">,
    Option<"encoders", "encoders", "std::string", "\"auto\"", "policy of contractions in modules with attention in both directions where policy is auto: auto or mixed">,
    Option<"bf16Products", "bf16-products", "bool", "false", "whether attention over a cache of bf16 multiplies bf16 by bf16">,
    Option<"remarks", "remarks", "bool", "false", "say what each contraction and attention became">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def ScreenHeadPass : Pass<"lathe-screen-head", "::mlir::ModuleOp"> {
  let summary = "lets steps skip most of the output head where few logits are wanted";
  let description = [{
    Makes the contraction that gives the logits of `@forward` a `lathe.head_topk`,
    and packs its weight in bit planes in all its uses, so that there is one copy:
    the upper five bits in front, or four where the head is at least
    `four-bit-share` of the bytes that a step reads.

    That needs a weight stored as Q8_0 that meets `!lathe.q8_act` rows. A head of
    fewer than `least-rows` rows, or of less than `least-share` of the bytes, stays
    as it is: reading three fifths of it would save a few percent of a step at
    best. Declared effect: exact.

    Counts `heads`.
  }];
  let options = [
    Option<"leastRows", "least-rows", "int64_t", "8192", "rows of the smallest head that is screened">,
    Option<"leastShare", "least-share", "double", "0.15", "least share of the bytes that a step reads">,
    Option<"fourBitShare", "four-bit-share", "double", "0.5", "share from which on the front has four bits">,
    Option<"remarks", "remarks", "bool", "false", "say why a head stays whole">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

#endif // LATHE_PASSES_PRECISION_PASSES_TD
