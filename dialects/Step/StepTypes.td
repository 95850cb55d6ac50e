//===- StepTypes.td - Types of the schedule level -----------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_STEP_STEPTYPES_TD
#define LATHE_DIALECTS_STEP_STEPTYPES_TD

include "dialects/Step/StepDialect.td"

def Step_BufferType : TypeDef<Step_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "memory for rows";
  let description = [{
    Room for the rows of a tensor: the first dimension is the greatest number
    of rows. Rows are contiguous, but for `!lathe.q8_act`: its blocks
    of 32 elements are kept in four parts, each with the block as its first
    index and the row as its second: int8 elements, f32 scales, int16 sums of
    elements, and f32 products of scale and sum (docs/layouts.md).

    ```mlir
    !step.buffer<8x576xf32>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getMaxRows() const { return getShape().front(); }
    /// Elements of one row.
    int64_t getRowElements() const;
    /// Bytes of the whole buffer.
    int64_t getBytes() const;
    /// The tensor of a dynamic number of rows that a load gives.
    ::mlir::RankedTensorType getTensorType() const;
  }];
}

#endif // LATHE_DIALECTS_STEP_STEPTYPES_TD
