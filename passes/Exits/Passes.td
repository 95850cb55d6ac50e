//===- Passes.td - Depth and exits --------------------------*- tablegen -*-===//

#ifndef LATHE_PASSES_EXITS_PASSES_TD
#define LATHE_PASSES_EXITS_PASSES_TD

include "mlir/Pass/PassBase.td"

def SkipLayersPass : Pass<"lathe-skip-layers", "::mlir::ModuleOp"> {
  let summary = "leaves layers out of every stack, for good";
  let description = [{
    Adds layers to `skip` of every `lathe.layers`; canonicalisation then drops bodies
    that no layer runs any more. Weights stay declared, so that a program without some
    layers shares the packed weights, on the disk and in memory, with one that has all.

    Declared effect: none is kept, as the result is another model.

    Counts `skipped`.
  }];
  let options = [
    ListOption<"layers", "layers", "int64_t", "numbers of the layers">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def DropExitsPass : Pass<"lathe-drop-exits", "::mlir::ModuleOp"> {
  let summary = "leaves no stack early, whatever the rows ask for";
  let description = [{
    Drops `until` and `leaving` of every body, what they alone needed, weights included,
    and bodies that are then the same as another. What is left is the program that it was
    before exits were written, and so is its code.

    Declared effect: exact, for steps that leave no stack.

    Counts `dropped`.
  }];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def PropagateKVPass : Pass<"lathe-propagate-kv", "::mlir::ModuleOp"> {
  let summary = "computes keys and values of the layers behind an exit";
  let description = [{
    A stack that may be left and whose keys and values behind an exit are to
    `propagate` gets `rest`: a copy of each body, of which canonicalisation keeps what the KV
    cache needs. The copies read what the exit's layer gave, and what leaves goes by them. Where
    the two differ, because of `leaving`, one more carried value keeps what the layer gave.

    Declared effect: exact, for steps that leave no stack; others get keys and values.

    Counts `stacks`.
  }];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def InsertExitsPass : Pass<"lathe-insert-exits", "::mlir::ModuleOp"> {
  let summary = "writes the exits of a calibration file into the stack";
  let description = [{
    Gives each of `layers` an exit: a `lathe.logistic` of what the layer gives says how
    sure it is, and what leaves is what the layer gives, plus a matrix times it (of
    `rank`, where that is not 0), plus a vector. These are weights, `exit.{}.classifier`,
    `exit.{}.bias`, `exit.{}.lens`, with a rank `exit.{}.lens_in`, and `exit.{}.offset`, in
    the file that whoever runs the program gives as `file`. They are declared behind
    all other weights.

    Declared effect: exact, for steps that leave no stack; wherever it is left it is another model.

    Counts `inserted`.
  }];
  let options = [
    ListOption<"layers", "layers", "int64_t", "numbers of the layers, ascending">,
    Option<"rank", "rank", "int64_t", "0", "rank of the matrices; 0: they are square">,
    Option<"behind", "behind", "std::string", "\"propagate\"",
           "what becomes of keys and values of the layers behind: propagate or defer">,
    Option<"file", "file", "std::string", "\"calibration\"", "what the file of the weights is called">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def SplitHeadPass : Pass<"lathe-split-head", "::mlir::ModuleOp"> {
  let summary = "keeps the stack of layers, or the output head, of a model";
  let description = [{
    With `part=stack`, `@forward` gives the rows that `lathe.select_logits` selects in
    place of the logits; with `part=head`, a function `@main` from such rows to logits
    takes its place. One behind the other they give the bits of the model. Weights that
    the part does not read are gone.

    Declared effect: none is kept, as the result is another program.

    Counts `dropped`.
  }];
  let options = [
    Option<"part", "part", "std::string", "\"stack\"", "stack or head">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

#endif // LATHE_PASSES_EXITS_PASSES_TD
