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
    InterfaceMethod<[{
      Whether the result has only the rows that want one, and so has all that is
      computed from it.
    }], "bool", "selectsRows", (ins), "", "return false;">,
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

def LayerLoopOpInterface : OpInterface<"LayerLoopOpInterface"> {
  let cppNamespace = "::lathe::ir";
  let description = [{
    A loop over layers 0 to `count - 1` with one region per distinct layer. Layer
    i runs region `select[i]`; without `select` there is one. A region's first
    argument is the number of the layer, the others are the carried values: the
    initial ones at first, the results in the end.

    Layers in `skip` never run, and where the loop has rows, nor do those that the
    rows leave out: what is carried goes by them as it is. When the loop is left behind
    a layer, layer i of those that follow runs region `rest[i]`, or none does.
  }];
  let methods = [
    InterfaceMethod<"Number of layers.", "uint64_t", "getCount">,
    InterfaceMethod<"The body of each layer, or none where all run the only one.",
      "::std::optional<::llvm::ArrayRef<int64_t>>", "getSelect">,
    InterfaceMethod<"The body of each layer behind an exit; none: no layer runs there.",
      "::std::optional<::llvm::ArrayRef<int64_t>>", "getRest">,
    InterfaceMethod<"What becomes of keys and values behind an exit: propagate, none or defer.",
      "::std::optional<::llvm::StringRef>", "getBehind">,
    InterfaceMethod<"Layers that no step runs, ascending, or none.",
      "::std::optional<::llvm::ArrayRef<int64_t>>", "getSkip">,
    InterfaceMethod<"The rows that say which layers to run, or null.", "::mlir::Value", "getRows">,
    InterfaceMethod<"The carried values as they are ahead of the first layer.",
      "::mlir::OperandRange", "getInits">,
  ];
  let extraSharedClassDeclaration = [{
    /// The body that layer `layer` runs.
    unsigned getBodyOf(int64_t layer) { return $_op.getSelect() ? (*$_op.getSelect())[layer] : 0; }
    /// The layers that are not in `skip`, ascending.
    ::llvm::SmallVector<int64_t> getKeptLayers() {
      ::llvm::SmallVector<int64_t> kept;
      for (int64_t layer = 0, end = $_op.getCount(); layer < end; ++layer)
        if (!$_op.getSkip() || !::llvm::is_contained(*$_op.getSkip(), layer))
          kept.push_back(layer);
      return kept;
    }
  }];
  let verify = [{ return ::lathe::ir::verifyLayerLoop($_op); }];
}

#endif // LATHE_DIALECTS_LATHE_LATHEINTERFACES_TD
