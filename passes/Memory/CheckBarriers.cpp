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
  Operation *op; ///< A phase, or an exit.
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
    for (Operation &op : block)
      if (failed(run(&op)))
        return failure();
    return success();
  }

  LogicalResult run(const Way &way) {
    for (Operation *op : way)
      if (failed(run(op)))
        return failure();
    return success();
  }

  LogicalResult run(Operation *op) {
    if (isa<BarrierOp>(op))
      touches.clear();
    else if (auto layers = dyn_cast<LayersOp>(op))
      return runStack(layers);
    else if (auto phase = dyn_cast<PhaseOp>(op))
      return run(collect(phase));
    else if (auto exit = dyn_cast<ExitIfOp>(op))
      return run(collect(exit));
    return success();
  }

  LogicalResult runStack(LayersOp layers) {
    SmallVector<Touch> before = touches;
    if (failed(run(layers)))
      return failure();
    // A part of a step may run no layer.
    if (layers == getResumedStack(getOperation()))
      touches.append(before);
    return success();
  }

  /// In the order of the layers; two rounds show the back edge of a lone body.
  LogicalResult run(LayersOp layers) {
    if (isOrderOpen(layers))
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
    for (auto [first, second] : getBodyPairs(layers))
      for (const Way &way : getWays(layers.getBodies()[first]))
        for (const Way &next :
             second < 0 ? SmallVector<Way>(1) : getWays(layers.getBodies()[second])) {
          touches = before;
          if (failed(run(way)) || failed(run(next)))
            return failure();
          behind.append(touches);
        }
    touches = std::move(behind);
    return success();
  }

  LogicalResult run(ArrayRef<Touch> found) {
    for (const Touch &touch : found)
      for (const Touch &other : touches)
        if (conflict(touch, other))
          return report(touch, other);
    touches.append(found.begin(), found.end());
    ++numPhases;
    return success();
  }

  static bool conflict(const Touch &a, const Touch &b) {
    return (a.write || b.write) && a.memory == b.memory && a.begin < b.end && b.begin < a.end;
  }

  static Touch touch(Value memory, bool write, Operation *op) {
    auto alloc = memory.getDefiningOp<AllocOp>();
    if (!alloc)
      return {memory, 0, 1, write, op};
    int64_t begin = *alloc.getOffset();
    return {Value(), begin, begin + alloc.getType().getBytes(), write, op};
  }

  static SmallVector<Touch> collect(ExitIfOp exit) {
    return {touch(exit.getConfidence(), /*write=*/false, exit)};
  }

  static SmallVector<Touch> collect(PhaseOp phase) {
    SmallVector<Touch> found;
    auto add = [&](Value memory, bool write) { found.push_back(touch(memory, write, phase)); };
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

  static std::string nameOf(Operation *op) {
    auto phase = dyn_cast<PhaseOp>(op);
    return phase ? ("phase '" + phase.getPhaseName() + "'").str() : "the exit";
  }

  static LogicalResult report(const Touch &touch, const Touch &other) {
    InFlightDiagnostic diag = touch.op->emitError();
    diag << nameOf(touch.op) << (touch.write ? " writes" : " reads") << " what " << nameOf(other.op)
         << (other.write ? " writes" : " reads") << ", and there is no barrier between";
    diag.attachNote(other.op->getLoc()) << "the other phase";
    return diag;
  }

  /// What the phases since the last barrier touched.
  SmallVector<Touch> touches;
};

} // namespace

static const lathe::PassCounters<CheckBarriersPass> counters{&CheckBarriersPass::numPhases};
static const PassEffectRegistration effect("lathe-check-barriers", {NumericEffect::Exact});
