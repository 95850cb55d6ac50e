//===- Passes.td - Memory planning --------------------------*- tablegen -*-===//

#ifndef LATHE_PASSES_MEMORY_PASSES_TD
#define LATHE_PASSES_MEMORY_PASSES_TD

include "mlir/Pass/PassBase.td"

def PlanMemoryPass : Pass<"lathe-plan-memory", "::lathe::step::ProgramOp"> {
  let summary = "packs all buffers of a program into one arena";
  let description = [{
    Computes the lifetime of every buffer over the phases and gives each its
    offset: by decreasing size, best fit into the gaps that the buffers alive at
    the same time leave. While the arena is larger than the bound, a fixed number
    of other orders is tried and the best plan kept. A buffer that lives around the back edge of the layer
    stack lives through all of it. Writes the arena's bytes and, as `bound`, the
    greatest sum of live buffers, which no plan can beat. Declared effect: exact.

    Counts `arena-bytes` and `bound-bytes`, of all programs.
  }];
  let options = [
    Option<"alignment", "alignment", "int64_t", "64", "bytes that every offset is a multiple of">,
    Option<"remarks", "remarks", "bool", "false", "print lifetime and place of every buffer">,
  ];
  let statistics = [
    Statistic<"arenaBytes", "arena-bytes", "bytes of the arenas">,
    Statistic<"boundBytes", "bound-bytes", "lower bound of the arenas">,
  ];
}

def CheckMemoryPlanPass : Pass<"lathe-check-memory-plan", "::lathe::step::ProgramOp"> {
  let summary = "proves that no buffer is overwritten while it is needed";
  let description = [{
    Walks through the program as it would run, with two rounds of the layer
    stack in every order of bodies that occurs, and keeps for each byte of the
    arena which buffer wrote it last. A load that finds a byte of another buffer
    is an error, and so are a buffer outside the arena and a store over another
    buffer of the same phase. Shares no code with the planner.

    Counts the `loads` and `stores` that it followed.
  }];
}

def PlaceBarriersPass : Pass<"lathe-place-barriers", "::lathe::step::ProgramOp"> {
  let summary = "puts a barrier where phases conflict";
  let description = [{
    Two phases conflict when one writes memory that the other reads or writes:
    byte ranges of the arena, the KV cache, or the logits. A barrier is placed
    in front of a phase that conflicts with any phase since the last barrier;
    the back edge of the layer stack counts. Runs after memory planning, because
    the arena reuses memory. Declared effect: exact.

    Counts `barriers`.
  }];
  let statistics = [
    Statistic<"numBarriers", "barriers", "barriers placed">,
  ];
}

def CheckBarriersPass : Pass<"lathe-check-barriers", "::lathe::step::ProgramOp"> {
  let summary = "proves that no barrier is missing";
  let description = [{
    Walks through the program as it would run, with two rounds of the layer
    stack, or all when `select` names bodies, and keeps the byte ranges that the
    phases since the last barrier read and wrote. A phase that writes what one of
    them touched, or reads what one wrote, is an error. Shares no code with
    barrier placement. Declared effect: exact.

    Counts the `phases` that it followed.
  }];
}

#endif // LATHE_PASSES_MEMORY_PASSES_TD
