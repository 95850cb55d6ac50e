//===- Passes.td - Scheduling -------------------------------*- tablegen -*-===//

#ifndef LATHE_PASSES_SCHEDULE_PASSES_TD
#define LATHE_PASSES_SCHEDULE_PASSES_TD

include "mlir/Pass/PassBase.td"

def SchedulePass : Pass<"lathe-schedule", "::mlir::ModuleOp"> {
  let summary = "turns fusion groups into the phases of step programs";
  let description = [{
    Makes one `step.program` per entry from `@forward`: `decode` for one row,
    `verify` for a few (several sequences, or drafts to be verified) and
    `prefill` for many. There is no `verify` unless its rows are between those
    of the other two. Values between groups get buffers; the carried rows
    of the layer stack are updated in place where their last reader stands
    ahead of their writer.

    An `@forward` without a cache is an encoder's. It becomes one entry, `forward`, of
    `prefill-rows` rows, or as many as the model has positions, because all rows of a
    text are in one step.

    A module without `@forward` has `@main`, a function on tensors of f32. It
    becomes one program of `prefill-rows` rows, whose arguments are buffers of the
    inputs and the results. A group of ops of other dialects becomes a phase over
    rows where each row can be computed alone, and else one over the whole.

    A group's prologue stays in its phase, where each worker computes it for
    itself, up to `inline-rows` rows; for more it becomes a phase of its own
    that is shared among the workers. In programs of more than `screen-rows` rows a
    `lathe.head_topk` becomes `lathe.linear`: such a step is a prompt's, which wants one
    row of logits in hundreds. Declared effect: exact.

    Counts `phases` and `in-place`, the carried values that are updated in place.
  }];
  let options = [
    Option<"decodeRows", "decode-rows", "int64_t", "1", "rows of the decode entry">,
    Option<"verifyRows", "verify-rows", "int64_t", "8", "rows of the verify entry">,
    Option<"prefillRows", "prefill-rows", "int64_t", "512", "rows of the prefill entry">,
    Option<"inlineRows", "inline-rows", "int64_t", "8", "greatest number of rows with the prologue inside">,
    Option<"screenRows", "screen-rows", "int64_t", "8", "greatest number of rows whose head may leave products out">,
  ];
  let dependentDialects = ["::lathe::step::StepDialect"];
}

def SinkQuantizePass : Pass<"lathe-sink-quantize", "::lathe::step::ProgramOp"> {
  let summary = "quantises rows where contractions give them";
  let description = [{
    A phase over rows that does nothing but quantise what a phase over columns of the same
    block gives goes into that phase's epilogue, if nothing else reads the rows: they are
    stored as int8 (a block of 32 elements needs nothing of its neighbours) or bf16, and
    the buffer of f32 and a barrier are gone.

    Rows with a number of the whole row (`!lathe.q16_act`, `!lathe.u8_act`) stay as they are, and so do
    those of heads, of experts and of `lathe.head_topk`. Declared effect: exact.

    Counts `sunk`, the phases that are gone.
  }];
  let dependentDialects = ["::lathe::step::StepDialect"];
}

#endif // LATHE_PASSES_SCHEDULE_PASSES_TD
