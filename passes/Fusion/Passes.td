//===- Passes.td - Fusion -----------------------------------*- tablegen -*-===//

#ifndef LATHE_PASSES_FUSION_PASSES_TD
#define LATHE_PASSES_FUSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def FusePass : Pass<"lathe-fuse"> {
  let summary = "decides which ops are computed together";
  let description = [{
    Puts the ops of every block into `lathe.group`s, each of which becomes one
    phase. A group has at most one kind of heart:

    - contractions that read the same rows (q, k and v; gate and up) share one
      group;
    - row-wise ops whose results only that group needs become its prologue
      (the norm, and later the quantisation of activations);
    - elementwise ops and views on its results become its epilogue (bias,
      norm of heads, activation, gate, residual, rope, cache write);
    - attention is a group of its own;
    - row-wise ops that are left over share a group where nothing stands between,
      with the elementwise ops that read their rows (a norm behind a contraction
      and the residual behind that).

    Groups never depend on each other in a circle: an op joins the latest group
    among its operands. Declared effect: exact.

    ```mlir
    %n = lathe.rms_norm %x, %w ...
    %g = lathe.linear %n, %wg ...
    %u = lathe.linear %n, %wu ...
    %s = lathe.silu %g ...
    %m = lathe.mul %s, %u ...
    // becomes
    %m = lathe.group "ffn_gate+ffn_up" -> tensor<?x1536xf32> {
      %n = lathe.rms_norm %x, %w ...
      ...
      lathe.yield %m : tensor<?x1536xf32>
    }
    ```

    Counts `groups`, `prologues`, `epilogues` and `siblings`.
  }];
  let options = [
    Option<"prologues", "prologues", "bool", "true", "fuse row-wise ops into contractions">,
    Option<"epilogues", "epilogues", "bool", "true", "fuse elementwise ops into contractions">,
    Option<"siblings", "siblings", "bool", "true", "compute contractions of the same rows together">,
    Option<"remarks", "remarks", "bool", "false", "say of every op whether it was fused, and why not">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def GroupUpstreamPass : Pass<"lathe-group-upstream"> {
  let summary = "puts ops of other dialects into groups";
  let description = [{
    Ops of `linalg`, `tensor`, `arith`, `math` and `scf` that follow each other
    become a `lathe.group`, and with it a phase. A group ends where an op of ours
    stands, where ops that can compute each row alone (`linalg.generic` along
    the rows) meet others (a loop from row to row), and behind the selection of
    the rows that want logits.

    Tensors go from group to group. What is no tensor, or depends on nothing that
    is computed (constants, empty tensors, the number of rows, a transposed
    weight), is computed again in every group that needs it. Declared effect: exact.

    Counts `groups` and `copies`, the ops that were copied into them.
  }];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

#endif // LATHE_PASSES_FUSION_PASSES_TD
