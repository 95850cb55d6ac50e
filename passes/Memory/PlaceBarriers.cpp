//===- PlaceBarriers.cpp - Puts a barrier where phases conflict ------------===//

#include "passes/Memory/Accesses.h"
#include "passes/Memory/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/Builders.h"

namespace lathe {
#define GEN_PASS_DEF_PLACEBARRIERSPASS
#include "passes/Memory/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe::step;

namespace {

/// The accesses of all phases since the last barrier, on any path.
using Pending = SmallVector<Access>;

struct PlaceBarriersPass : lathe::impl::PlaceBarriersPassBase<PlaceBarriersPass> {
  using PlaceBarriersPassBase::PlaceBarriersPassBase;

  void runOnOperation() override {
    bool planned = true;
    getOperation().walk(
        [&](AllocOp alloc) { planned &= alloc.getOffset().has_value() || alloc.use_empty(); });
    if (!planned) {
      getOperation().emitError() << "buffers have no offsets; run lathe-plan-memory first";
      return signalPassFailure();
    }
    Pending pending;
    visit(getOperation().getBody().front(), pending);
  }

  void visit(Block &block, Pending &pending) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (isa<BarrierOp>(op))
        pending.clear();
      else if (auto phase = dyn_cast<PhaseOp>(op))
        visit(phase, pending);
      else if (auto layers = dyn_cast<LayersOp>(op))
        visit(layers, pending);
      else if (auto exit = dyn_cast<ExitIfOp>(op))
        visit(exit, pending);
    }
  }

  void visit(PhaseOp phase, Pending &pending) {
    OpBuilder builder(phase);
    meet(getAccesses(phase), builder, phase.getLoc(), pending);
  }

  /// Puts a barrier ahead of accesses that conflict with what is pending.
  void meet(ArrayRef<Access> accesses, OpBuilder &builder, Location loc, Pending &pending) {
    bool conflicts = llvm::any_of(accesses, [&](const Access &access) {
      return llvm::any_of(pending, [&](const Access &other) { return conflict(access, other); });
    });
    if (conflicts) {
      BarrierOp::create(builder, loc);
      ++numBarriers;
      pending.clear();
    }
    llvm::append_range(pending, accesses);
  }

  /// What is pending behind an exit is so on one of three ways: past it, back from its
  /// predicate, and out of the stack.  The confidence is read behind the predicate.
  void visit(ExitIfOp exit, Pending &pending) {
    Pending way = pending;
    OpBuilder builder(exit);
    for (Block &block : exit.getPredicate()) {
      visit(block, way);
      builder.setInsertionPointToEnd(&block);
    }
    meet({{exit.getConfidence(), /*write=*/false}}, builder, exit.getLoc(), way);
    if (exit.getPredicate().empty())
      pending = way;
    llvm::append_range(pending, way);
    for (Block &block : exit.getLeaving())
      visit(block, way);
    llvm::append_range(pending, way);
  }

  /// What is pending at the end of any body is pending at the start of every
  /// body.  Barriers are only ever added, so two rounds reach the fixed point.
  void visit(LayersOp layers, Pending &pending) {
    Pending before = pending, start = pending;
    for (int round = 0; round < 2; ++round) {
      Pending end;
      for (Region &body : layers.getBodies()) {
        Pending here = start;
        visit(body.front(), here);
        llvm::append_range(end, here);
      }
      pending = end;
      llvm::append_range(start, end);
    }
    // A part of a step may run no layer.
    if (layers == getResumedStack(getOperation()))
      llvm::append_range(pending, before);
  }

  lathe::PassCounter numBarriers{"barriers", "barriers placed"};
};

} // namespace

static const lathe::PassCounters<PlaceBarriersPass> counters{&PlaceBarriersPass::numBarriers};
static const lathe::PassEffectRegistration effect("lathe-place-barriers",
                                                  {lathe::NumericEffect::Exact});
