//===- LatheDialect.td - The model-level dialect ------------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHEDIALECT_TD
#define LATHE_DIALECTS_LATHE_LATHEDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Lathe_Dialect : Dialect {
  let name = "lathe";
  let cppNamespace = "::lathe::ir";
  let summary = "Transformers as values: what is computed, not where or when";
  let description = [{
    One op per idea of the transformer literature, under its usual name. Values
    are tensors of rows: the first dimension counts the rows of a step and is
    dynamic. Weights are symbols that name tensors of a model file; their bytes
    are never in the IR. The KV cache is a value that is threaded through, and
    the stack of layers is one loop with one body for each distinct layer.

    See Rationale.md for why the dialect is as it is.
  }];
  let useDefaultTypePrinterParser = 0;
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    ::mlir::Type parseType(::mlir::DialectAsmParser &parser) const override;
    void printType(::mlir::Type type, ::mlir::DialectAsmPrinter &printer) const override;
    void registerTypes();
    void registerAttributes();
  }];
}

#endif // LATHE_DIALECTS_LATHE_LATHEDIALECT_TD
