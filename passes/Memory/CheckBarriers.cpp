//===- CheckBarriers.cpp - Proves that no barrier is missing ---------------===//
//
// Simulates instead of reasoning about paths, so that an error of barrier
// placement cannot hide in a shared notion of what conflicts.
//
//===----------------------------------------------------------------------===//

#include "passes/Memory/Accesses.h"
#include "passes/Memory/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

namespace lathe {
#define GEN_PASS_DEF_CHECKBARRIERSPASS
#include "passes/Memory/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::step;

namespace {

/// Bytes begin <= b < end of one memory: the arena (null), or an argument of the
/// program.
struct Touch {
  Value memory;
  int64_t begin, end;
  bool write;
  PhaseOp phase;
};

struct CheckBarriersPass : lathe::impl::CheckBarriersPassBase<CheckBarriersPass> {
  using CheckBarriersPassBase::CheckBarriersPassBase;

  void runOnOperation() override {
    touches.clear();
    if (failed(checkPlanned()) || failed(run(getOperation().getBody().front())))
      signalPassFailure();
  }

  PassCounter numPhases{"phases", "phases that were followed"};

private:
  LogicalResult checkPlanned() {
    for (auto alloc : getOperation().getBody().getOps<AllocOp>())
      if (!alloc.getOffset() && !alloc->use_empty())
        return alloc.emitError() << "the buffer has no offset; run lathe-plan-memory first";
    return success();
  }

  LogicalResult run(Block &block) {
    for (Operation &op : block) {
      if (isa<BarrierOp>(op))
        touches.clear();
      else if (auto layers = dyn_cast<LayersOp>(op)) {
        if (failed(run(layers)))
          return failure();
      } else if (auto phase = dyn_cast<PhaseOp>(op)) {
        if (failed(run(phase)))
          return failure();
      }
    }
    return success();
  }

  /// In the order of the layers; two rounds show the back edge of a lone body.
  LogicalResult run(LayersOp layers) {
    if (layers.getRows() || layers.getSkip())
      return runInAnyOrder(layers);
    SmallVector<int64_t> order(std::min<int64_t>(layers.getCount(), 2), 0);
    if (std::optional<ArrayRef<int64_t>> select = layers.getSelect())
      order.assign(select->begin(), select->end());
    for (int64_t body : order)
      if (failed(run(layers.getBodies()[body].front())))
        return failure();
    return success();
  }

  /// Bodies behind all that may be ahead of them: layers may be left out, though never all.
  LogicalResult runInAnyOrder(LayersOp layers) {
    SmallVector<Touch> before = touches, behind;
    for (auto [first, second] : getBodyPairs(layers)) {
      touches = before;
      if (failed(run(layers.getBodies()[first].front())) ||
          (second >= 0 && failed(run(layers.getBodies()[second].front()))))
        return failure();
      behind.append(touches);
    }
    touches = std::move(behind);
    return success();
  }

  LogicalResult run(PhaseOp phase) {
    SmallVector<Touch> found = collect(phase);
    for (const Touch &touch : found)
      for (const Touch &other : touches)
        if (conflict(touch, other))
          return report(touch, other);
    touches.append(found);
    ++numPhases;
    return success();
  }

  static bool conflict(const Touch &a, const Touch &b) {
    return (a.write || b.write) && a.memory == b.memory && a.begin < b.end && b.begin < a.end;
  }

  static SmallVector<Touch> collect(PhaseOp phase) {
    SmallVector<Touch> found;
    auto add = [&](Value memory, bool write) {
      if (auto alloc = memory.getDefiningOp<AllocOp>()) {
        int64_t begin = *alloc.getOffset();
        found.push_back({Value(), begin, begin + alloc.getType().getBytes(), write, phase});
      } else {
        found.push_back({memory, 0, 1, write, phase});
      }
    };
    for (Operation &op : phase.getBody().front()) {
      if (auto store = dyn_cast<StoreOp>(op)) {
        add(store.getDestination(), /*write=*/true);
        continue;
      }
      // An op that gives a new state passes the old one on and reads none of it.
      bool updates = llvm::any_of(op.getResultTypes(), llvm::IsaPred<ir::KVType>);
      for (Value operand : op.getOperands())
        if (isa<BufferType>(operand.getType()) || (isa<ir::KVType>(operand.getType()) && !updates))
          add(operand, /*write=*/false);
    }
    return found;
  }

  static LogicalResult report(const Touch &touch, const Touch &other) {
    PhaseOp phase = touch.phase, earlier = other.phase;
    InFlightDiagnostic diag = phase.emitError();
    diag << "phase '" << phase.getPhaseName() << "' " << (touch.write ? "writes" : "reads")
         << " what phase '" << earlier.getPhaseName() << "' " << (other.write ? "writes" : "reads")
         << ", and there is no barrier between";
    diag.attachNote(earlier.getLoc()) << "the other phase";
    return diag;
  }

  /// What the phases since the last barrier touched.
  SmallVector<Touch> touches;
};

} // namespace

static const lathe::PassCounters<CheckBarriersPass> counters{&CheckBarriersPass::numPhases};
static const PassEffectRegistration effect("lathe-check-barriers", {NumericEffect::Exact});
