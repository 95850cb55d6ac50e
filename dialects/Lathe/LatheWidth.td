//===- LatheWidth.td - Widths of MLPs -----------------------*- tablegen -*-===//
//
// Included by LatheOps.td.  A step may compute the leading neurons of an MLP and
// no others, as of matryoshka models (Devvrit et al., 2023): a value of type
// `!lathe.width` says how many, and contractions are limited to it.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_DIALECTS_LATHE_LATHEWIDTH_TD
#define LATHE_DIALECTS_LATHE_LATHEWIDTH_TD

def Lathe_WidthOp : Lathe_Op<"width", [Pure, DeclareOpInterfaceMethods<ReferenceOpInterface>]> {
  let summary = "how many neurons of a layer's MLP a step computes";
  let description = [{
    What the rows of the step say of layer `layer`, which has `neurons` of them: a
    multiple of `step`, from `step` on. `unasked` is what runs where whoever calls asks
    for no width; without it that is all of them. All rows of a step have the same width.

    ```mlir
    %w = lathe.width %rows[%i] of 1536 by 32
    %w = lathe.width %rows[%i] of 1536 by 32 unasked 1152
    %g = lathe.linear %n, %wg to %w : tensor<?x576xf32>, tensor<1536x576x!lathe.q4_1> -> tensor<?x1536xf32>
    %d = lathe.linear %h, %wd of %w : tensor<?x1536xf32>, tensor<576x1536x!lathe.q4_1> -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins Lathe_RowsType:$rows, Index:$layer, I64Attr:$neurons, I64Attr:$step,
                       OptionalAttr<I64Attr>:$unasked);
  let results = (outs Lathe_WidthType:$result);
  let assemblyFormat = [{
    $rows `[` $layer `]` `of` $neurons `by` $step (`unasked` $unasked^)? attr-dict
  }];
  let hasVerifier = 1;
}

#endif // LATHE_DIALECTS_LATHE_LATHEWIDTH_TD
