//===- LatheEncoder.td - Ops of encoders --------------------*- tablegen -*-===//
//
// Included by LatheOps.td.  Encoders keep no state from step to step: a text is a
// row of position 0 and the rows behind it up to the next such row, and all rows of
// a text are in one step.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_DIALECTS_LATHE_LATHEENCODER_TD
#define LATHE_DIALECTS_LATHE_LATHEENCODER_TD

def Lathe_EmbedPositionOp : Lathe_ModelOp<"embed_position", "RowWise"> {
  let summary = "the learned embedding of each row's position";
  let description = [{
    `result[r, :] = table[position(r), :]` (Devlin et al., 2019).

    ```mlir
    %p = lathe.embed_position %rows, %table : tensor<512x384xf32> -> tensor<?x384xf32>
    ```
  }];
  let arguments = (ins Lathe_RowsType:$rows, AnyRankedTensor:$table);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$rows `,` $table attr-dict `:` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def Lathe_EmbedSegmentOp : Lathe_ModelOp<"embed_segment", "RowWise"> {
  let summary = "the learned embedding of the segment that each row is of";
  let description = [{
    `result[r, :] = table[0, :]`: a text is one segment, the first.

    ```mlir
    %s = lathe.embed_segment %rows, %table : tensor<2x384xf32> -> tensor<?x384xf32>
    ```
  }];
  let arguments = (ins Lathe_RowsType:$rows, AnyRankedTensor:$table);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$rows `,` $table attr-dict `:` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def Lathe_LayerNormOp : Lathe_ModelOp<"layer_norm", "RowWise", [
    AllTypesMatch<["input", "result"]>, AllTypesMatch<["weight", "bias"]>]> {
  let summary = "layer normalisation (Ba et al., 2016)";
  let description = [{
    With `mean = mean_j(input[r, j])` and `var = mean_j((input[r, j] - mean)^2)`:
    `result[r, i] = (input[r, i] - mean) / sqrt(var + eps) * weight[i] + bias[i]`.

    ```mlir
    %n = lathe.layer_norm %x, %w, %b {eps = 1.0e-12 : f32} : tensor<?x384xf32>, tensor<384xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$input, Lathe_F32Vector:$weight, Lathe_F32Vector:$bias,
                       F32Attr:$eps);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = [{
    $input `,` $weight `,` $bias attr-dict `:` type($input) `,` type($weight)
  }];
  let hasVerifier = 1;
}

def Lathe_GeluOp : Lathe_UnaryOp<"gelu"> {
  let summary = "x / 2 * (1 + erf(x / sqrt(2)))";
  let description = [{
    The Gaussian error linear unit (Hendrycks and Gimpel, 2016), the activation of
    the BERT family.

    ```mlir
    %1 = lathe.gelu %0 : tensor<?x1536xf32>
    ```
  }];
}

def Lathe_SelfAttentionOp : Lathe_ModelOp<"self_attention", "Attention",
    [AllTypesMatch<["query", "key", "value", "result"]>]> {
  let summary = "attention of all rows of a text to each other";
  let description = [{
    The heads of a row stand side by side, `dim = width / heads` elements each. For
    each row r and head h (Vaswani et al., 2017):
    `result[r, h] = sum_s softmax_s(scale * query[r, h] . key[s, h]) value[s, h]`
    over all rows s of the text of r, those behind r too. Nothing is kept.

    ```mlir
    %a = lathe.self_attention %q, %k, %v at %rows {heads = 12 : i64, scale = 1.76776695e-01 : f32} : tensor<?x384xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$query, Lathe_F32Rows:$key, Lathe_F32Rows:$value,
                       Lathe_RowsType:$rows, I64Attr:$heads, F32Attr:$scale);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$query `,` $key `,` $value `at` $rows attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Lathe_PoolOp : Lathe_ModelOp<"pool", "RowWise", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the mean of a text's rows up to one that is wanted";
  let description = [{
    For each row w that wants a result, in order: the mean of the rows of its text
    from the first to w. The last row of a text thus asks for the mean of all, and
    the first for its own, the classification token of BERT.

    ```mlir
    %p = lathe.pool %x, %rows : tensor<?x384xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$input, Lathe_RowsType:$rows);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` type($result)";
  let extraClassDeclaration = selectsRowsDeclaration;
}

#endif // LATHE_DIALECTS_LATHE_LATHEENCODER_TD
