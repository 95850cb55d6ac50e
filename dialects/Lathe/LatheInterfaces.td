//===- LatheInterfaces.td - What passes may ask an op -------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHEINTERFACES_TD
#define LATHE_DIALECTS_LATHE_LATHEINTERFACES_TD

include "mlir/IR/OpBase.td"

def ReferenceOpInterface : OpInterface<"ReferenceOpInterface"> {
  let cppNamespace = "::lathe::ir";
  let description = [{
    The meaning of an op as naive `linalg`, `tensor` and `arith` on f32. The
    reference program made of these is the oracle that optimised code is held
    against; it is never run for speed.
  }];
  let methods = [
    InterfaceMethod<[{
      Builds the op's meaning at the builder's insertion point and maps every
      result in `values`. Operands are already mapped.
    }], "::llvm::LogicalResult", "buildReference",
      (ins "::mlir::OpBuilder &":$builder, "::lathe::ir::ReferenceValues &":$values)>,
  ];
}

def FusionOpInterface : OpInterface<"FusionOpInterface"> {
  let cppNamespace = "::lathe::ir";
  let description = [{
    How an op may be fused with its neighbours.
  }];
  let methods = [
    InterfaceMethod<"The part the op can play in a fusion group.",
      "::lathe::ir::FusionRole", "getFusionRole">,
  ];
}

def CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::lathe::ir";
  let description = [{
    What an op costs when it runs on `rows` rows, for schedules and reports.
  }];
  let methods = [
    InterfaceMethod<"Arithmetic operations and bytes of weights read.",
      "::lathe::ir::Cost", "getCost", (ins "int64_t":$rows)>,
  ];
}

#endif // LATHE_DIALECTS_LATHE_LATHEINTERFACES_TD
