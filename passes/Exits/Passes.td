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

#endif // LATHE_PASSES_EXITS_PASSES_TD
