//===- StepDialect.td - The schedule-level dialect ----------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_STEP_STEPDIALECT_TD
#define LATHE_DIALECTS_STEP_STEPDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Step_Dialect : Dialect {
  let name = "step";
  let cppNamespace = "::lathe::step";
  let summary = "Phases over one arena: when and where things are computed";
  let description = [{
    One execution model for all targets, SPMD: a step is a list of phases; a
    phase is a loop over independent tiles, shared among the workers; a barrier
    stands between two phases only where the memory they touch conflicts. All
    activations live in one arena. Inside a phase stand the ops of the lathe
    dialect, on values that are loaded from buffers.

    See Rationale.md for why the dialect is as it is.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerTypes();
    void registerAttributes();
  }];
}

#endif // LATHE_DIALECTS_STEP_STEPDIALECT_TD
