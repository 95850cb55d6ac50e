//===- StepOps.td - Ops of the schedule level ---------------*- tablegen -*-===//

#ifndef LATHE_DIALECTS_STEP_STEPOPS_TD
#define LATHE_DIALECTS_STEP_STEPOPS_TD

include "dialects/Step/StepDialect.td"
include "dialects/Step/StepTypes.td"
include "dialects/Lathe/LatheInterfaces.td"
include "dialects/Lathe/LatheTypes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Step_Op<string mnemonic, list<Trait> traits = []> : Op<Step_Dialect, mnemonic, traits>;

def Step_ProgramOp : Step_Op<"program", [IsolatedFromAbove, Symbol, SingleBlock, NoTerminator,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "one entry of the compiled program";
  let description = [{
    What all workers run for one step of at most `max_rows` rows. The arguments
    are the rows, the KV cache and the buffer for the logits; of an encoder the rows
    and the buffer for its results; or, of a function on tensors, buffers of its inputs and, behind the arrow, of its results, all with
    their `names`. The caller owns them. After memory planning, `arena` is the bytes of the arena and `bound`
    the greatest sum of buffers alive at once, which no plan can beat.

    ```mlir
    step.program @decode max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<30 x 3 x 64 x f16>, %logits: !step.buffer<1x49152xf32>) {
      ...
    }
    step.program @forward max_rows = 512 (%rows: !lathe.rows, %logits: !step.buffer<512x384xf32>) {
      ...
    }
    step.program @main max_rows = 64 (%x: !step.buffer<64x8xf32>) -> (%y: !step.buffer<64x4xf32>) attributes {names = ["x", "y"]} {
      ...
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$max_rows,
                       OptionalAttr<I64Attr>:$arena, OptionalAttr<I64Attr>:$arena_bound,
                       OptionalAttr<I64Attr>:$num_inputs, OptionalAttr<StrArrayAttr>:$names);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Whether it computes a function on tensors; then there are no rows, no cache
    /// and no logits, and these are null.
    bool isFunction() { return getNumInputs().has_value(); }
    /// Whether it is an encoder's; then there is no cache, which is null.
    bool isEncoder() { return !isFunction() && getBody().getNumArguments() == 2; }
    ::mlir::BlockArgument getRows() { return getModelArgument(0); }
    ::mlir::BlockArgument getCache() {
      return isEncoder() ? ::mlir::BlockArgument() : getModelArgument(1);
    }
    /// What the caller gets for the rows that want something.
    ::mlir::BlockArgument getLogits() { return getModelArgument(isEncoder() ? 1 : 2); }
    ::mlir::BlockArgument getModelArgument(unsigned index) {
      return isFunction() ? ::mlir::BlockArgument() : getBody().getArgument(index);
    }
  }];
}

def Step_AllocOp : Step_Op<"alloc", [HasParent<"ProgramOp">]> {
  let summary = "a buffer";
  let description = [{
    Memory planning gives each buffer its `offset` in bytes.

    ```mlir
    %q = step.alloc : !step.buffer<8x576xf32>
    %q = step.alloc at 4096 : !step.buffer<8x576xf32>
    ```
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$offset);
  let results = (outs Res<Step_BufferType, "", [MemAlloc]>:$result);
  let assemblyFormat = "(`at` $offset^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Step_LayersOp : Step_Op<"layers", [RecursiveMemoryEffects, NoTerminator, HasParent<"ProgramOp">,
    DeclareOpInterfaceMethods<LayerLoopOpInterface, []>]> {
  let summary = "the stack of layers";
  let description = [{
    Runs the body of each layer in turn, in place on buffers. `select` names
    the body of each layer when there are several. Layers in `skip` never run; with
    `at %rows`, nor do those that the rows leave out, which all workers read alike.
    Behind a `step.exit_if` that leaves, layer i runs body `rest[i]`, or none.

    ```mlir
    step.layers %i = 0 to 30 at %rows skip [14, 17] {
      ...
    }
    step.layers %i = 0 to 3 at %rows select [0, 1, 0] rest [2, 2, 2] behind propagate { ... }, { ... }, { ... }
    ```
  }];
  let arguments = (ins Optional<Lathe_RowsType>:$rows, I64Attr:$count,
                       OptionalAttr<DenseI64ArrayAttr>:$select,
                       OptionalAttr<DenseI64ArrayAttr>:$rest,
                       OptionalAttr<DenseI64ArrayAttr>:$skip,
                       OptionalAttr<StrAttr>:$behind);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let hasCustomAssemblyFormat = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "int64_t":$count, "::mlir::Value":$rows,
                                 "const ::lathe::ir::LayerChoice &":$choice,
                                 "unsigned":$numBodies)>];
}

def Step_ExitIfOp : Step_Op<"exit_if", [RecursiveMemoryEffects, NoTerminator, NoRegionArguments,
    HasParent<"LayersOp">]> {
  let summary = "leaves the stack when the row is sure enough";
  let description = [{
    Where the rows ask for +infinity at this layer, nothing happens. Else the phases of
    the first region compute the confidence, a buffer of one element; when it reaches what
    the rows ask for, or they ask for -infinity, the phases of the second region put in
    place what leaves the stack, and no more of the body runs. All workers read the same
    number behind the same barrier, so that all leave or none does. A confidence that is
    no number does not leave. Only programs of one row have exits.

    ```mlir
    step.exit_if %confidence at %rows : !step.buffer<1x1xf32> {
      step.phase "logistic" over rows { ... }
    } leaving {
      step.phase "exit_lens" over columns { ... }
    }
    ```
  }];
  let arguments = (ins Step_BufferType:$confidence, Lathe_RowsType:$rows);
  let regions = (region MaxSizedRegion<1>:$predicate, MaxSizedRegion<1>:$leaving);
  let assemblyFormat = [{
    $confidence `at` $rows attr-dict-with-keyword `:` type($confidence) $predicate `leaving` $leaving
  }];
  let hasVerifier = 1;
}

def Step_Axis : I32EnumAttr<"Axis", "what the tiles of a phase divide", [
    I32EnumAttrCase<"Rows", 0, "rows">,
    I32EnumAttrCase<"Columns", 1, "columns">,
    I32EnumAttrCase<"Heads", 2, "heads">,
    I32EnumAttrCase<"Whole", 3, "whole">]> {
  let cppNamespace = "::lathe::step";
  let genSpecializedAttr = 0;
}
def Step_AxisAttr : EnumAttr<Step_Dialect, Step_Axis, "axis"> {
  let summary = "what the tiles of a phase divide";
  let description = [{
    `rows`: a tile is one row. `columns`: a tile is a block of output columns,
    for all rows. `heads`: a tile is one key/value head for a block of rows.
    `whole`: there is one tile, which one worker computes.
  }];
  let assemblyFormat = "$value";
}

def Step_PhaseOp : Step_Op<"phase", [RecursiveMemoryEffects, SingleBlock, NoTerminator, NoRegionArguments,
    ParentOneOf<["ProgramOp", "LayersOp", "ExitIfOp"]>]> {
  let summary = "a loop over independent tiles";
  let description = [{
    The ops inside are computed for every tile. Tiles are shared among the
    workers in contiguous ranges; no order between them may matter. With
    `logits_rows` the rows of the phase are those that want logits.

    ```mlir
    step.phase "qkv" over columns {
      %h = step.load %x : !step.buffer<8x576xf32> -> tensor<?x576xf32>
      ...
      step.store %q, %qbuf : tensor<?x576xf32>, !step.buffer<8x576xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$name, Step_AxisAttr:$axis, UnitAttr:$logits_rows);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name `over` custom<Axis>($axis) (`logits_rows` $logits_rows^)? $body attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::StringRef getPhaseName() { return getName(); }
  }];
}

def Step_BarrierOp : Step_Op<"barrier", [MemoryEffects<[MemRead, MemWrite]>,
    ParentOneOf<["ProgramOp", "LayersOp", "ExitIfOp"]>]> {
  let summary = "all workers meet";
  let description = [{
    Nothing after it starts before everything ahead of it is done, on all
    workers. Barrier placement writes these.
  }];
  let assemblyFormat = "attr-dict";
}

def Step_LoadOp : Step_Op<"load", [MemoryEffects<[MemRead]>, HasParent<"PhaseOp">]> {
  let summary = "the rows in a buffer, as a value";
  let description = [{ The inverse of `step.store`. }];
  let arguments = (ins Step_BufferType:$buffer);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$buffer attr-dict `:` type($buffer) `->` type($result)";
  let hasVerifier = 1;
}

def Step_StoreOp : Step_Op<"store", [MemoryEffects<[MemWrite]>, HasParent<"PhaseOp">]> {
  let summary = "puts a value into its buffer";
  let description = [{
    The destination is a buffer, or the KV cache that the value is a new state
    of: then the update happens in place.
  }];
  let arguments = (ins AnyTypeOf<[AnyRankedTensor, Lathe_KVType]>:$value,
                       AnyTypeOf<[Step_BufferType, Lathe_KVType]>:$destination);
  let assemblyFormat = "$value `,` $destination attr-dict `:` type($value) `,` type($destination)";
  let hasVerifier = 1;
}

#endif // LATHE_DIALECTS_STEP_STEPOPS_TD
