//===- LatheOps.td - Ops of the model level -----------------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHEOPS_TD
#define LATHE_DIALECTS_LATHE_LATHEOPS_TD

include "dialects/Lathe/LatheDialect.td"
include "dialects/Lathe/LatheTypes.td"
include "dialects/Lathe/LatheInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Lathe_Op<string mnemonic, list<Trait> traits = []> : Op<Lathe_Dialect, mnemonic, traits>;

/// An op of the model level proper: it has a reference meaning, a fusion role
/// and a cost.
class Lathe_ModelOp<string mnemonic, string role, list<Trait> traits = []>
    : Lathe_Op<mnemonic, !listconcat(traits, [Pure,
        FusionOpInterface,
        DeclareOpInterfaceMethods<ReferenceOpInterface>,
        DeclareOpInterfaceMethods<CostOpInterface>])> {
  let extraClassDeclaration = [{
    FusionRole getFusionRole() { return FusionRole::}] # role # [{; }
  }];
}

/// Declarations of a RowWise op that keeps the rows that want a result.
defvar selectsRowsDeclaration = [{
    FusionRole getFusionRole() { return FusionRole::RowWise; }
    bool selectsRows() { return true; }
}];

/// The first dimension counts the rows of a step; the others are known.
class Lathe_RowsOf<Type tensor, string summary>
    : ConfinedType<tensor, [CPred<"::lathe::ir::isRowTensor($_self)">],
                   "tensor of " # summary # ", of any number of rows of a known shape">;
def Lathe_F32Rows : Lathe_RowsOf<2DTensorOf<[F32]>, "f32 rows">;
def Lathe_F32Heads : Lathe_RowsOf<3DTensorOf<[F32]>, "f32 rows of heads">;
def Lathe_F32RowsOrHeads : Lathe_RowsOf<TensorRankOf<[F32], [2, 3]>, "f32 rows, or rows of heads">;
def Lathe_ActivationRows : Lathe_RowsOf<2DTensorOf<[F32, BF16, Lathe_QuantizedActivationType,
                                                    Lathe_WideActivationType,
                                                    Lathe_ByteActivationType]>,
                                        "f32, bf16, !lathe.q8_act, !lathe.q16_act or !lathe.u8_act rows">;
def Lathe_QuantizedRows : Lathe_RowsOf<2DTensorOf<[Lathe_QuantizedActivationType,
                                                   Lathe_WideActivationType,
                                                   Lathe_ByteActivationType, BF16]>,
                                       "!lathe.q8_act, !lathe.q16_act, !lathe.u8_act or bf16 rows">;
/// One number for each row, and the only type of its kind.
def Lathe_Confidence : Type<
    CPred<"$_self == ::lathe::ir::getConfidenceType($_self.getContext())">,
    "tensor of one f32 for each row", "::mlir::RankedTensorType">,
    BuildableType<"::lathe::ir::getConfidenceType($_builder.getContext())">;
def Lathe_F32Vector : ConfinedType<1DTensorOf<[F32]>, [HasStaticShapePred],
                                   "f32 vector of known size">;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def Lathe_WeightsOp : Lathe_Op<"weights", [Symbol]> {
  let summary = "names tensors of the model file; never holds their bytes";
  let description = [{
    Declares a weight by the name of its tensor in the model file, with its
    logical shape `[N, K]` (outputs first), `[experts, N, K]` or `[N]` and its element format. A
    weight of the layer stack is declared once for all layers that have it in
    this shape and format; `{}` in the source stands for the layer's number. A
    program that is written by hand may name the file, GGUF or safetensors, by its
    place below the program's own folder; the others are in the model's.

    ```mlir
    lathe.weights @output_norm : tensor<576xf32> from "output_norm.weight"
    lathe.weights @blk.attn_q : 30 x tensor<576x576x!lathe.q4_1> from "blk.{}.attn_q.weight"
    lathe.weights @blk.ffn_down.q8_0 : [0, 5] x tensor<576x1536x!lathe.q8_0> from "blk.{}.ffn_down.weight"
    lathe.weights @decay : tensor<64xf32> from "mixer.decay" in "mixer.safetensors"
    lathe.weights @blk.ffn_up : 30 x tensor<1536x576x!lathe.q4_1> from "blk.{}.ffn_up.weight" order #lathe.order<dim 0 from "width.{}.order" in "calibration">
    ```
    `30 x` is short for layers 0 to 29. With `order` the elements are not as the file has
    them, but in that order.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type,
                       StrAttr:$source, OptionalAttr<DenseI64ArrayAttr>:$layers,
                       OptionalAttr<StrAttr>:$file, OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<Lathe_OrderAttr>:$order);
  let builders = [OpBuilder<
      (ins "::llvm::StringRef":$name, "::mlir::RankedTensorType":$type, "::llvm::StringRef":$source,
           "::mlir::DenseI64ArrayAttr":$layers, "::mlir::StringAttr":$file,
           "::mlir::StringAttr":$visibility),
      [{ build($_builder, $_state, name, type, source, layers, file, visibility, OrderAttr()); }]>];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
    /// The place of `layer` among the declared layers, or -1.
    int64_t getOrdinal(int64_t layer);
    /// Name of the tensor of `layer` (ignored without layers) in the file.
    std::string getTensorName(int64_t layer);
    /// Bytes of one tensor in the model file.
    int64_t getTensorBytes();
  }];
}

def Lathe_WeightOp : Lathe_Op<"weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<ReferenceOpInterface>]> {
  let summary = "a weight, as a value";
  let description = [{
    ```mlir
    %0 = lathe.weight @output_norm : tensor<576xf32>
    %1 = lathe.weight @blk.attn_q[%layer] : tensor<576x576x!lathe.q4_1>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weights, Optional<Index>:$layer);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weights (`[` $layer^ `]`)? attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Rows in and out
//===----------------------------------------------------------------------===//

def Lathe_EmbedOp : Lathe_ModelOp<"embed", "RowWise"> {
  let summary = "the embedding row of each row's token";
  let description = [{
    `result[r, :] = scale * table[token(r), :]`. The scale is 1 for most models;
    Gemma multiplies by the square root of the width.

    ```mlir
    %x = lathe.embed %rows, %table : tensor<49152x576x!lathe.q8_0> -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Lathe_RowsType:$rows, AnyRankedTensor:$table,
                       DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$rows `,` $table attr-dict `:` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def Lathe_SelectLogitsOp : Lathe_ModelOp<"select_logits", "RowWise", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the rows whose logits are wanted";
  let description = [{
    Keeps the rows that want logits, in order, so that the output head is not
    computed for the others.
  }];
  let arguments = (ins Lathe_F32Rows:$input, Lathe_RowsType:$rows);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` type($result)";
  let extraClassDeclaration = selectsRowsDeclaration;
}

//===----------------------------------------------------------------------===//
// Row-wise ops
//===----------------------------------------------------------------------===//

def Lathe_RMSNormOp : Lathe_ModelOp<"rms_norm", "RowWise", [AllTypesMatch<["input", "result"]>]> {
  let summary = "root mean square normalisation (Zhang and Sennrich, 2019)";
  let description = [{
    `result[r, i] = input[r, i] / sqrt(mean_j(input[r, j]^2) + eps) * weight[i]`,
    over the last dimension: rows, or each head of a row. The norm of a row needs
    all of it and goes in front of a contraction; that of a head needs no more
    than the head and goes behind one.

    ```mlir
    %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x576xf32>, tensor<576xf32>
    %m = lathe.rms_norm %q, %v {eps = 1.0e-06 : f32} : tensor<?x4x256xf32>, tensor<256xf32>
    ```
  }];
  let arguments = (ins Lathe_F32RowsOrHeads:$input, Lathe_F32Vector:$weight, F32Attr:$eps);
  let results = (outs Lathe_F32RowsOrHeads:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` type($weight)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// RowWise over rows, Elementwise over heads.
    FusionRole getFusionRole();
  }];
}

def Lathe_QuantizeOp : Lathe_ModelOp<"quantize", "RowWise"> {
  let summary = "rows in the element type that a contraction wants";
  let description = [{
    To `!lathe.q8_act`: per block of 32 elements, `s = max|x| / 127` and
    `q = round_half_even(x * (127 / max|x|))` (0 where all are 0). To `!lathe.q16_act`: the same
    for a whole row, with 4095. To `!lathe.u8_act`: with `low` the least element of the row, per block of
    128 elements `s = (max x - low) / 255` and `q = round_half_even((x - low) * (255 / (max x - low)))`
    (0 where all are `low`), which stands for `low + s * q`. To `bf16`: rounded to nearest even. The reference meaning gives the
    rounded values back as f32.

    ```mlir
    %q = lathe.quantize %n : tensor<?x576xf32> -> tensor<?x576x!lathe.q8_act>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$input);
  let results = (outs Lathe_QuantizedRows:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Lathe_RopeTableOp : Lathe_ModelOp<"rope_table", "RowWise"> {
  let summary = "cosines and sines of the rows' rotary angles";
  let description = [{
    `result[r, i, 0] = cos(a)` and `result[r, i, 1] = sin(a)` with
    `a = position(r) * base^(-2i/dim) / (scale(i) * stretch)`, one entry for each pair of
    elements (Su et al., 2021). `scale` is 1 unless `factors` holds one number
    per pair, as long-context variants of Llama do. `stretch` divides all angles
    (position interpolation, Chen et al., 2023).

    ```mlir
    %t = lathe.rope_table %rows {base = 1.0e+05 : f64} : tensor<?x32x2xf32>
    ```
  }];
  let arguments = (ins Lathe_RowsType:$rows, F64Attr:$base,
                       OptionalAttr<DenseF32ArrayAttr>:$factors,
                       DefaultValuedAttr<F32Attr, "1.0f">:$stretch);
  let results = (outs Lathe_F32Heads:$result);
  let assemblyFormat = "$rows attr-dict `:` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    FusionRole getFusionRole() { return FusionRole::RowWise; }
    /// base^(-2i/dim) / (scale(i) * stretch), in f32, for each pair i.
    ::llvm::SmallVector<float> getFrequencies();
  }];
}

//===----------------------------------------------------------------------===//
// Contraction
//===----------------------------------------------------------------------===//

def Lathe_LinearOp : Lathe_ModelOp<"linear", "Contraction", [AttrSizedOperandSegments]> {
  let summary = "rows times a weight matrix";
  let description = [{
    `result[r, n] = sum_k input[r, k] * weight[n, k]`. The element type of the
    input decides the arithmetic: f32 and bf16 inputs multiply dequantised
    weights and sum in f32; a `!lathe.q8_act` input takes an int32 dot product
    per block of 32 and scales it; a `!lathe.q16_act` input takes one int32 dot
    product for all k, with weights that are packed as int16; a `!lathe.u8_act` input takes one
    per block of 128, with weights that are packed as int8.

    `to %w` limits the outputs: those from `%w` on are 0, and their weights are not
    read. `of %w` limits the sum to the k below `%w`, whatever the input is from there on.

    ```mlir
    %q = lathe.linear %n, %wq : tensor<?x576xf32>, tensor<576x576x!lathe.q4_1> -> tensor<?x576xf32>
    %g = lathe.linear %n, %wg to %w : tensor<?x576xf32>, tensor<1536x576x!lathe.q4_1> -> tensor<?x1536xf32>
    %d = lathe.linear %h, %wd of %w : tensor<?x1536xf32>, tensor<576x1536x!lathe.q4_1> -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Lathe_ActivationRows:$input, AnyRankedTensor:$weight,
                       Optional<Lathe_WidthType>:$to, Optional<Lathe_WidthType>:$of);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = [{
    $input `,` $weight (`to` $to^)? (`of` $of^)? attr-dict `:`
    type($input) `,` type($weight) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input, "::mlir::Value":$weight),
                            "build($_builder, $_state, result, input, weight, nullptr, nullptr);">];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def Lathe_HeadTopkOp : Lathe_ModelOp<"head_topk", "Contraction"> {
  let summary = "rows times the output head, for whoever wants the greatest products";
  let description = [{
    `lathe.linear` that may leave products out. A step asks for the `n` greatest of
    each row, or for all. With `n <= k`, a product that is at least the `n`-th
    greatest of its row is there in all its bits; any other is too, or it is
    -infinity. With more, or when all are wanted, nothing is left out, and that is
    the reference meaning.

    ```mlir
    %l = lathe.head_topk %h, %w {k = 64} : tensor<?x640x!lathe.q8_act>, tensor<262144x640x!lathe.q8_0_planes4> -> tensor<?x262144xf32>
    ```
  }];
  let arguments = (ins Lathe_QuantizedRows:$input, AnyRankedTensor:$weight,
                       DefaultValuedAttr<I64Attr, "64">:$k);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` type($weight) `->` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

def Lathe_SplitHeadsOp : Lathe_ModelOp<"split_heads", "View"> {
  let summary = "[rows, heads * dim] as [rows, heads, dim]";
  let description = [{
    The inverse of `merge_heads`.
  }];
  let arguments = (ins Lathe_F32Rows:$input);
  let results = (outs Lathe_F32Heads:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Lathe_MergeHeadsOp : Lathe_ModelOp<"merge_heads", "View"> {
  let summary = "[rows, heads, dim] as [rows, heads * dim]";
  let description = [{
    The inverse of `split_heads`.
  }];
  let arguments = (ins Lathe_F32Heads:$input);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Lathe_RopeLayout : I32EnumAttr<"RopeLayout", "which elements of a head form a pair", [
    I32EnumAttrCase<"Interleaved", 0, "interleaved">,
    I32EnumAttrCase<"Half", 1, "half">]> {
  let cppNamespace = "::lathe::ir";
  let genSpecializedAttr = 0;
}
def Lathe_RopeLayoutAttr : EnumAttr<Lathe_Dialect, Lathe_RopeLayout, "rope_layout"> {
  let summary = "which elements of a head form a pair";
  let description = [{
    `interleaved` pairs elements (2i, 2i+1), as Llama files in GGUF are stored;
    `half` pairs (i, i + dim/2), as GPT-NeoX does.
  }];
  let assemblyFormat = "$value";
}

def Lathe_RopeOp : Lathe_ModelOp<"rope", "Elementwise", [AllTypesMatch<["input", "result"]>]> {
  let summary = "rotary position embedding (Su et al., 2021)";
  let description = [{
    Turns each pair `(x, y)` of a head by the angle of its row and pair:
    `(x cos - y sin, x sin + y cos)`.

    ```mlir
    %1 = lathe.rope %0, %table interleaved : tensor<?x9x64xf32>, tensor<?x32x2xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Heads:$input, Lathe_F32Heads:$table,
                       Lathe_RopeLayoutAttr:$layout);
  let results = (outs Lathe_F32Heads:$result);
  let assemblyFormat = "$input `,` $table custom<RopeLayout>($layout) attr-dict `:` type($input) `,` type($table)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Attention and its state
//===----------------------------------------------------------------------===//

def Lathe_KVAppendOp : Lathe_ModelOp<"kv_append", "Elementwise", [
    AllTypesMatch<["cache", "result"]>, AllTypesMatch<["key", "value"]>]> {
  let summary = "the KV cache with the rows' keys and values";
  let description = [{
    Sets the key and value of layer `layer`, at each row's sequence and
    position. Rows that are already there are replaced.

    ```mlir
    %c1 = lathe.kv_append %c[%i], %k, %v at %rows : !lathe.kv<30 x 3 x 64 x f16>, tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins Lathe_KVType:$cache, Index:$layer, Lathe_F32Heads:$key,
                       Lathe_F32Heads:$value, Lathe_RowsType:$rows);
  let results = (outs Lathe_KVType:$result);
  let assemblyFormat = [{
    $cache `[` $layer `]` `,` $key `,` $value `at` $rows attr-dict `:` qualified(type($cache)) `,` type($key)
  }];
  let hasVerifier = 1;
}

def Lathe_AttentionOp : Lathe_ModelOp<"attention", "Attention", [AllTypesMatch<["query", "result"]>]> {
  let summary = "causal grouped-query attention over the KV cache";
  let description = [{
    For each row r and query head h, with `g = h / (heads / kv heads)`
    (Ainslie et al., 2023):
    `result[r, h] = sum_p softmax_p(scale * query[r, h] . key[g, p]) value[g, p]`
    over the positions p of the row's sequence with `p <= position(r)` and, when
    `window` is given, `p > position(r) - window`.

    Operands of products are f32 unless `precision_type` names a narrower type. It is
    bf16, over a cache of bf16, and says that what meets the cache is rounded to it,
    to nearest even: queries, and the softmax's exponentials, which meet values. Those are
    of `score(p) - m`, m being the greatest score that the row sees among the 256
    positions of p's split (`[256 s, 256 s + 256)`, as in docs/layouts.md). All sums are
    f32, that of the exponentials as they were ahead of rounding included.

    ```mlir
    %a = lathe.attention %q, %c1[%i] at %rows {scale = 1.25e-01 : f32} : tensor<?x9x64xf32>, !lathe.kv<30 x 3 x 64 x f16>
    %b = lathe.attention %q, %c2[%i] at %rows {precision_type = bf16, scale = 1.25e-01 : f32} : tensor<?x9x64xf32>, !lathe.kv<30 x 3 x 64 x bf16>
    ```
  }];
  let arguments = (ins Lathe_F32Heads:$query, Lathe_KVType:$cache, Index:$layer,
                       Lathe_RowsType:$rows, F32Attr:$scale, OptionalAttr<I64Attr>:$window,
                       OptionalAttr<TypeAttr>:$precision_type);
  let results = (outs Lathe_F32Heads:$result);
  let assemblyFormat = [{
    $query `,` $cache `[` $layer `]` `at` $rows attr-dict `:` type($query) `,` qualified(type($cache))
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Elementwise ops
//===----------------------------------------------------------------------===//

class Lathe_UnaryOp<string mnemonic> : Lathe_ModelOp<mnemonic, "Elementwise", [SameOperandsAndResultType]> {
  let arguments = (ins Lathe_F32Rows:$input);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

class Lathe_BinaryOp<string mnemonic> : Lathe_ModelOp<mnemonic, "Elementwise", [SameOperandsAndResultType, Commutative]> {
  let arguments = (ins Lathe_F32Rows:$lhs, Lathe_F32Rows:$rhs);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def Lathe_SiluOp : Lathe_UnaryOp<"silu"> {
  let summary = "x / (1 + exp(-x))";
  let description = [{ The activation of SwiGLU (Shazeer, 2020). }];
}
def Lathe_GeluTanhOp : Lathe_UnaryOp<"gelu_tanh"> {
  let summary = "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))";
  let description = [{
    The Gaussian error linear unit in its tanh form (Hendrycks and Gimpel, 2016),
    the activation of GeGLU in the Gemma family. The same as
    `x / (1 + exp(-2 sqrt(2 / pi) * (x + 0.044715 x^3)))`.

    ```mlir
    %1 = lathe.gelu_tanh %0 : tensor<?x2048xf32>
    ```
  }];
}
def Lathe_AddOp : Lathe_BinaryOp<"add"> {
  let summary = "elementwise sum";
  let description = [{ Residual connections, mostly. }];
}
def Lathe_MulOp : Lathe_BinaryOp<"mul"> {
  let summary = "elementwise product";
  let description = [{ The gate of a gated MLP, mostly. }];
}
def Lathe_BiasOp : Lathe_ModelOp<"bias", "Elementwise", [AllTypesMatch<["input", "result"]>]> {
  let summary = "adds a vector to every row";
  let description = [{
    `result[r, n] = input[r, n] + bias[n]`.
  }];
  let arguments = (ins Lathe_F32Rows:$input, Lathe_F32Vector:$bias);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$input `,` $bias attr-dict `:` type($result) `,` type($bias)";
  let hasVerifier = 1;
}

include "dialects/Lathe/LatheEncoder.td"
include "dialects/Lathe/LatheExperts.td"
include "dialects/Lathe/LatheWidth.td"
include "dialects/Lathe/LatheConfidence.td"

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def Lathe_LayersOp : Lathe_Op<"layers", [RecursiveMemoryEffects, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<LayerLoopOpInterface, []>]> {
  let summary = "the stack of layers: a loop with one body per distinct layer";
  let description = [{
    Runs layers 0 to `count - 1`. The carried values start as the operands and
    are what each body yields. Layer i runs body `select[i]`; without `select`
    there is one body. The first argument of a body is the number of the layer.

    With `at %rows` only the layers run that the rows of the step ask for; a layer
    in `skip` runs in no step. What is carried goes by a layer that does not run as it
    is, so that such a layer leaves nothing in the KV cache.

    A body whose `lathe.yield` has `until` may be the last that runs. Behind it no layer
    runs, or, with `rest`, layer i runs body `rest[i]`, which may have no `until`.
    `behind` says what becomes of the keys and values of the layers behind an exit:
    with `propagate` they are those that the layers compute from what the layer of the exit
    gave, which need not be what leaves (Schuster et al., "Confident Adaptive Language
    Modeling", 2022, section 3.2), and which `lathe-propagate-kv` writes down as bodies of `rest`;
    with `none` there are none, and with `defer` the caller has the row run again by all
    layers before a row of its sequence needs them.

    ```mlir
    %x1, %c1 = lathe.layers %i = 0 to 30 (%h = %x, %c = %kv) : tensor<?x576xf32>, !lathe.kv<30 x 3 x 64 x f16> {
      ...
      lathe.yield %y, %c2 : tensor<?x576xf32>, !lathe.kv<30 x 3 x 64 x f16>
    }
    %x1 = lathe.layers %i = 0 to 3 (%h = %x) select [0, 1, 0] : tensor<?x576xf32> { ... }, { ... }
    %x1 = lathe.layers %i = 0 to 30 (%h = %x) at %rows skip [14, 17] : tensor<?x576xf32> { ... }
    %x1 = lathe.layers %i = 0 to 3 (%h = %x) at %rows select [0, 1, 0] rest [2, 2, 2] behind propagate : tensor<?x576xf32> { ... }, { ... }, { ... }
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inits, Optional<Lathe_RowsType>:$rows, I64Attr:$count,
                       OptionalAttr<DenseI64ArrayAttr>:$select,
                       OptionalAttr<DenseI64ArrayAttr>:$rest,
                       OptionalAttr<DenseI64ArrayAttr>:$skip,
                       OptionalAttr<StrAttr>:$behind);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizeMethod = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "int64_t":$count, "::mlir::ValueRange":$inits,
                                 "::mlir::Value":$rows, "const ::lathe::ir::LayerChoice &":$choice,
                                 "unsigned":$numBodies)>];
  let extraClassDeclaration = [{
    /// Whether a step can leave it behind some layer.
    bool mayBeLeft();
  }];
}

def Lathe_GroupOp : Lathe_Op<"group", [
    RecursiveMemoryEffects, SingleBlock, NoRegionArguments,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "ops that are computed together";
  let description = [{
    What fusion decided: the ops inside become one phase of the step program.
    Values from outside are used directly; what is needed outside is yielded.

    ```mlir
    %g = lathe.group "ffn_in" -> tensor<?x1536xf32> {
      %n = lathe.rms_norm ...
      ...
      lathe.yield %m : tensor<?x1536xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$name);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name (`->` type($results)^)? $body attr-dict";
  let hasRegionVerifier = 1;
}

def Lathe_YieldOp : Lathe_Op<"yield", [Pure, Terminator, AttrSizedOperandSegments,
    ParentOneOf<["LayersOp", "GroupOp"]>]> {
  let summary = "ends a body and gives its values";
  let description = [{
    The values of the layer, or of the group.

    With `until` the stack is left behind this layer when the confidence of the step's
    row reaches what the rows ask for at this layer: +infinity means never and -infinity
    always. What leaves the stack are the values, or those of `leaving`, of the same types
    and with the same KV cache: an exit's own view of the hidden state, which is computed
    only when the stack is left here. A step of several rows is never left: whoever calls
    asks for +infinity then.

    Whatever gives one f32 a row is a confidence, of this dialect or another: what
    a confidence alone needs is computed only at layers that may be left.

    ```mlir
    lathe.yield %y, %c until %p : tensor<?x576xf32>, !lathe.kv<30 x 3 x 64 x f16>
    lathe.yield %y, %c until %p leaving %z, %c : tensor<?x576xf32>, !lathe.kv<30 x 3 x 64 x f16>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values, Optional<Lathe_Confidence>:$until,
                       Variadic<AnyType>:$leaving);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let builders = [
    OpBuilder<(ins), "build($_builder, $_state, ::mlir::ValueRange{});">,
    OpBuilder<(ins "::mlir::ValueRange":$values),
              "build($_builder, $_state, values, ::mlir::Value(), ::mlir::ValueRange{});">,
  ];
  let extraClassDeclaration = [{
    /// The values when the stack is left here.
    ::mlir::ValueRange getLeavingValues() {
      return getLeaving().empty() ? getValues() : getLeaving();
    }
  }];
}

#endif // LATHE_DIALECTS_LATHE_LATHEOPS_TD
