//===- LatheTypes.td - Types of the model level -------------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHETYPES_TD
#define LATHE_DIALECTS_LATHE_LATHETYPES_TD

include "dialects/Lathe/LatheDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinTypeInterfaces.td"

class Lathe_Type<string name, string typeMnemonic, list<Trait> traits = []>
    : TypeDef<Lathe_Dialect, name, traits> {
  let mnemonic = typeMnemonic;
}

def Lathe_RowsType : Lathe_Type<"Rows", "rows"> {
  let summary = "what the rows of a step are";
  let description = [{
    One entry per row of a step: its token, its position in its sequence, the
    sequence it belongs to (which is also its slab of the KV cache), and whether
    its logits are wanted. Ragged batches, verification and prefill chunks are
    all just rows. Beside them, for all rows of the step alike, stands which layers
    they run, how many neurons of each, and how sure a row must be behind each layer to
    leave the stack there.
  }];
}

def Lathe_KVType : Lathe_Type<"KV", "kv"> {
  let summary = "the state of a KV cache";
  let description = [{
    Keys and values of all positions seen so far, per sequence, for `layers`
    layers of `heads` key/value heads with `headDim` elements each, stored as
    `elementType`: f32, f16, bf16, or i8 for int8 with an f32 scale `max|x| / 127`
    for every 32 elements of a key or value, rounded to nearest even. That updates
    happen in place is decided by scheduling, not by this type.

    ```mlir
    !lathe.kv<30 x 3 x 64 x f16>
    ```
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$heads, "int64_t":$headDim,
                        "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $layers `x` $heads `x` $headDim `x` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Positions that attention takes together: splits begin at their multiples.
    static constexpr int64_t SplitPositions = 256;

    /// What users call the elements: "f32", "f16", "bf16" or "int8".
    ::llvm::StringRef getElementName() const;
  }];
}

def Lathe_WidthType : Lathe_Type<"Width", "width"> {
  let summary = "how many neurons of an MLP are computed";
  let description = [{
    What `lathe.width` gives: the leading neurons that a step computes, and no others.
  }];
}

def Lathe_BlockType : TypeDef<Lathe_Dialect, "Block"> {
  let typeName = "lathe.block";
  let summary = "an element of a block-quantised weight";
  let description = [{
    The element type of a weight that is stored in one of the registered block
    formats of runtime/formats (GGUF's Q4_0, Q8_0, Q4_K, ...). It prints as the
    name of the format.

    ```mlir
    tensor<576x576x!lathe.q4_1>
    ```
  }];
  let parameters = (ins StringRefParameter<"name of the block format">:$format);
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The description of the format; never null for a verified type.
    const ::lathe::BlockFormat *getBlockFormat() const;
  }];
}

def Lathe_QuantizedActivationType : Lathe_Type<"QuantizedActivation", "q8_act"> {
  let summary = "an element of an activation quantised for an int8 block dot product";
  let description = [{
    Every 32 elements of a row share one f32 scale `max|x| / 127`; the elements
    are int8, rounded to nearest even. Sums of the elements are kept beside
    them, for formats with an offset or a minimum.
  }];
}

def Lathe_WideActivationType : Lathe_Type<"WideActivation", "q16_act"> {
  let summary = "an element of an activation rounded for an int16 dot product";
  let description = [{
    All elements of a row share one f32 scale `max|x| / 4095`; the elements are
    int16, rounded to nearest even.
  }];
  let extraClassDeclaration = [{
    /// The greatest element.
    static constexpr int64_t Limit = 4095;
  }];
}

def Lathe_ByteActivationType : Lathe_Type<"ByteActivation", "u8_act"> {
  let summary = "an element of an activation rounded for an int8 dot product of many elements";
  let description = [{
    A row has its least element `low`, and every 128 elements of it share one f32 scale
    `(max x - low) / 255`; the elements are `x - low` in that scale, as unsigned int8, rounded to
    nearest even.
  }];
  let extraClassDeclaration = [{
    /// The greatest element, and how many share a scale: BlockFormat::ScaledTogether.
    static constexpr int64_t Limit = 255;
    static constexpr int64_t Together = ::lathe::BlockFormat::ScaledTogether;
    /// Scales of a row of so many elements.
    static constexpr int64_t countScales(int64_t elements) {
      return (elements + Together - 1) / Together;
    }
  }];
}

def Lathe_OrderAttr : AttrDef<Lathe_Dialect, "Order"> {
  let mnemonic = "order";
  let summary = "the order in which a weight is stored along a dimension";
  let description = [{
    What is at place i along dimension `dim` is at place `order[i]` in the file. The order
    is a tensor of i32, named `source` in `file`, a permutation; `{}` stands for the
    layer's number. It is applied when weights are packed, and exact: blocks of the
    weight's format are moved whole, so that along the last dimension the order must keep each
    of them together.

    ```mlir
    #lathe.order<dim 0 from "width.{}.order" in "calibration">
    ```
  }];
  let parameters = (ins "int64_t":$dim, StringRefParameter<"name of the tensor">:$source,
                        StringRefParameter<"name of its file">:$file);
  let assemblyFormat = "`<` `dim` $dim `from` $source `in` $file `>`";
}

#endif // LATHE_DIALECTS_LATHE_LATHETYPES_TD
