//===- Passes.td - Width ------------------------------------*- tablegen -*-===//

#ifndef LATHE_PASSES_WIDTH_PASSES_TD
#define LATHE_PASSES_WIDTH_PASSES_TD

include "mlir/Pass/PassBase.td"

def ChooseWidthsPass : Pass<"lathe-choose-widths", "::mlir::ModuleOp"> {
  let summary = "lets a step compute the leading neurons of each layer's MLP alone";
  let description = [{
    Finds the MLPs of every stack: a contraction whose input was computed column by
    column from what other contractions gave. Their outputs, and its inputs, are its neurons;
    all are limited to a `lathe.width` of the rows. Its step is what is packed together:
    32 neurons, or a block of the weights where that is longer. `unasked` is the share of
    the neurons that run where nobody asks for a width, rounded up to a step.

    With `file` all weights of these neurons are stored in the order of the tensors
    `width.{}.order` in the file that whoever runs the program gives as `file`, most
    important first: outputs of what gives the neurons, and inputs of what reads them. The
    whole of a model stays what it was, but for the order in which sums are taken.

    Fails where no layer has such an MLP of two steps or more, and where a stack is not
    `at` any rows.

    Declared effect: none is kept, as narrower steps are of another model.

    Counts `mlps`.
  }];
  let options = [
    Option<"unasked", "unasked", "double", "1.0", "share of the neurons unless a step asks">,
    Option<"file", "file", "std::string", "\"\"", "what the file of the orders is called; none: as they are">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def DropWidthsPass : Pass<"lathe-drop-widths", "::mlir::ModuleOp"> {
  let summary = "computes all neurons, whatever the rows ask for";
  let description = [{
    Takes the limits of all contractions away. What is left is the program that it was
    before widths were chosen, and so is its code.

    Declared effect: none is kept, as steps may have asked for fewer.

    Counts `dropped`.
  }];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

def ShowNeuronsPass : Pass<"lathe-show-neurons", "::mlir::ModuleOp"> {
  let summary = "gives the neurons of the last layer that runs in place of logits";
  let description = [{
    The stack carries what each layer's MLP reads down from, and `@forward` gives that of
    the rows that want logits. With the layers up to one of them, that is what calibration sees
    of its neurons. All layers have as many of them. What follows the layers is gone, and
    weights that it alone read.

    Declared effect: none is kept, as the result is another program.

    Counts `dropped`.
  }];
  let dependentDialects = ["::lathe::ir::LatheDialect"];
}

#endif // LATHE_PASSES_WIDTH_PASSES_TD
