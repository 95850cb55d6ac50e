//===- StepTypes.td - Types of the schedule level -----------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_STEP_STEPTYPES_TD
#define LATHE_DIALECTS_STEP_STEPTYPES_TD

include "dialects/Step/StepDialect.td"

def Step_BufferType : TypeDef<Step_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "memory for rows";
  let description = [{
    Room for the rows of a tensor: the first dimension is the greatest number
    of rows. With `whole` it is room for a tensor of this very shape, whatever the
    rows of a step are. Rows are contiguous, but for `!lathe.q8_act`: its blocks
    of 32 elements are kept in four parts, each with the block as its first
    index and the row as its second: int8 elements, f32 scales, int16 sums of
    elements, and f32 products of scale and sum (docs/layouts.md). Rows of
    `!lathe.q16_act` are int16; the f32 scales of all rows stand behind them. Those of
    `!lathe.u8_act` are unsigned int8; behind them stand the f32 scales, `[blocks of 128][rows]`, and
    then the least elements of all rows.

    ```mlir
    !step.buffer<8x576xf32>
    !step.buffer<64xf32, whole>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType,
                        "bool":$whole);
  let builders = [TypeBuilder<(ins "::llvm::ArrayRef<int64_t>":$shape, "::mlir::Type":$elementType), [{
    return $_get($_ctxt, shape, elementType, false);
  }]>];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getMaxRows() const { return getShape().front(); }
    /// Elements of one row.
    int64_t getRowElements() const;
    /// Bytes of the whole buffer.
    int64_t getBytes() const;
    /// The tensor that a load gives: of a dynamic number of rows, but for `whole`.
    ::mlir::RankedTensorType getTensorType() const;
  }];
}

#endif // LATHE_DIALECTS_STEP_STEPTYPES_TD
