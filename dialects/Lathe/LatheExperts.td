//===- LatheExperts.td - Ops of mixtures of experts ---------*- tablegen -*-===//
//
// Included by LatheOps.td.  A router gives each row a few of many sub-networks,
// the experts (Shazeer et al., 2017).  What the row's experts compute stands side
// by side, the part of its first choice first, so that elementwise ops and
// `lathe.quantize` work on all of them at once.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_DIALECTS_LATHE_LATHEEXPERTS_TD
#define LATHE_DIALECTS_LATHE_LATHEEXPERTS_TD

def Lathe_ChoiceRows : Lathe_RowsOf<2DTensorOf<[I32]>, "i32 rows">;

def Lathe_RouteOp : Lathe_ModelOp<"route", "RowWise"> {
  let summary = "the experts of each row, and the share of each";
  let description = [{
    With n experts, of which each row has k: `choice[r, j]` is the number of the
    expert with the (j+1)-th greatest of `logits[r, :]`, of equals the first;
    `share[r, :]` is the softmax of these k logits (Jiang et al., 2024). A logit that is
    no number counts as -infinity.

    ```mlir
    %c, %s = lathe.route %logits : tensor<?x8xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$logits);
  let results = (outs Lathe_ChoiceRows:$choice, Lathe_F32Rows:$share);
  let assemblyFormat = [{
    $logits attr-dict `:` type($logits) `->` type($choice) `,` type($share)
  }];
  let hasVerifier = 1;
}

def Lathe_ExpertLinearOp : Lathe_ModelOp<"expert_linear", "Contraction"> {
  let summary = "rows times the matrices of their experts";
  let description = [{
    With `e = choice[r, j]` and weights of n experts, N outputs and K inputs:
    `result[r, j * N + i] = sum_k x[r, j, k] * weight[e, i, k]`. An input of width K is
    that of all the row's experts, `x[r, j, k] = input[r, k]`; one of width k * K holds
    one for each, `x[r, j, k] = input[r, j * K + k]`. Element types mean what they do
    to `lathe.linear`. A choice that is not from 0 to n - 1 is taken as n - 1. Weights of
    experts that no row has are not read. N is a multiple
    of 32, so that the packed matrices of all experts are one packed matrix.

    ```mlir
    %g = lathe.expert_linear %n, %wg by %c : tensor<?x512xf32>, tensor<8x1024x512x!lathe.q4_0>, tensor<?x2xi32> -> tensor<?x2048xf32>
    %d = lathe.expert_linear %h, %wd by %c : tensor<?x2048xf32>, tensor<8x512x1024x!lathe.q4_0>, tensor<?x2xi32> -> tensor<?x1024xf32>
    ```
  }];
  let arguments = (ins Lathe_ActivationRows:$input, AnyRankedTensor:$weight,
                       Lathe_ChoiceRows:$choice);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = [{
    $input `,` $weight `by` $choice attr-dict `:`
    type($input) `,` type($weight) `,` type($choice) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    FusionRole getFusionRole() { return FusionRole::Contraction; }
    /// Experts of each row, outputs and inputs of one expert.
    int64_t getChosen() { return dimOf(getChoice(), 1); }
    int64_t getOutputs() { return dimOf(getWeight(), 1); }
    int64_t getInputs() { return dimOf(getWeight(), 2); }
    /// Whether all experts of a row have the same input.
    bool sharesInput() { return dimOf(getInput(), 1) == getInputs(); }
  }];
}

def Lathe_MixOp : Lathe_ModelOp<"mix", "RowWise"> {
  let summary = "the sum of what a row's experts gave, each times its share";
  let description = [{
    `result[r, i] = sum_j share[r, j] * input[r, j * N + i]`, in order of j.

    ```mlir
    %y = lathe.mix %d, %s : tensor<?x1024xf32>, tensor<?x2xf32> -> tensor<?x512xf32>
    ```
  }];
  let arguments = (ins Lathe_F32Rows:$input, Lathe_F32Rows:$share);
  let results = (outs Lathe_F32Rows:$result);
  let assemblyFormat = "$input `,` $share attr-dict `:` type($input) `,` type($share) `->` type($result)";
  let hasVerifier = 1;
}

#endif // LATHE_DIALECTS_LATHE_LATHEEXPERTS_TD
