//===- LatheConfidence.td - How sure a model is -------------*- tablegen -*-===//
//
// Included by LatheOps.td.  Predicates by which a step may leave the stack of
// layers early.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_DIALECTS_LATHE_LATHECONFIDENCE_TD
#define LATHE_DIALECTS_LATHE_LATHECONFIDENCE_TD

def Lathe_LogisticOp : Lathe_ModelOp<"logistic", "RowWise"> {
  let summary = "the probability that a linear classifier gives each row";
  let description = [{
    `result[r, 0] = 1 / (1 + exp(-(sum_k input[r, k] * weight[k] + bias[0])))`.

    ```mlir
    %p = lathe.logistic %y, %w, %b : tensor<?x576xf32>, tensor<576xf32>, tensor<1xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$input, Lathe_F32Vector:$weight, Lathe_F32Vector:$bias);
  let results = (outs Lathe_Confidence:$result);
  let assemblyFormat = [{
    $input `,` $weight `,` $bias attr-dict `:` type($input) `,` type($weight) `,` type($bias)
  }];
  let hasVerifier = 1;
}

def Lathe_MarginOp : Lathe_ModelOp<"margin", "RowWise"> {
  let summary = "how far the greatest element of each row is ahead of the next";
  let description = [{
    `result[r, 0]` is the greatest element of the row less the second greatest: 0 where
    two are the greatest.

    ```mlir
    %m = lathe.margin %logits : tensor<?x49152xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$input);
  let results = (outs Lathe_Confidence:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

#endif // LATHE_DIALECTS_LATHE_LATHECONFIDENCE_TD
