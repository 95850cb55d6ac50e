//===- CheckMemoryPlan.cpp - Proves that a memory plan is sound ------------===//
//
// Simulates instead of reasoning about lifetimes, so that an error of the
// planner cannot hide in a shared notion of what is alive.
//
//===----------------------------------------------------------------------===//

#include "passes/Memory/Accesses.h"
#include "passes/Memory/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include <map>

namespace lathe {
#define GEN_PASS_DEF_CHECKMEMORYPLANPASS
#include "passes/Memory/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe::step;

namespace {

/// Who wrote each byte last: start of a range -> its owner, up to the next
/// start.  Null where nobody has written.
class Owners {
public:
  Owners() { owner[0] = nullptr; }

  void set(int64_t begin, int64_t end, Operation *op) {
    split(begin);
    split(end);
    owner.erase(owner.find(begin), owner.find(end));
    owner[begin] = op;
  }

  /// The first owner in the range that is not `op`, or `op`.
  Operation *findOther(int64_t begin, int64_t end, Operation *op) {
    for (auto it = std::prev(owner.upper_bound(begin)); it != owner.end() && it->first < end; ++it)
      if (it->second != op)
        return it->second;
    return op;
  }

private:
  void split(int64_t at) { owner[at] = std::prev(owner.upper_bound(at))->second; }

  std::map<int64_t, Operation *> owner;
};

struct CheckMemoryPlanPass : lathe::impl::CheckMemoryPlanPassBase<CheckMemoryPlanPass> {
  using CheckMemoryPlanPassBase::CheckMemoryPlanPassBase;

  void runOnOperation() override {
    owners = Owners();
    Block &block = getOperation().getBody().front();
    if (failed(run(block.begin(), block.end())))
      return signalPassFailure();
    // A step that goes on finds what the one before left; that may have run no layer.
    LayersOp stack = getResumedStack(getOperation());
    if (stack && (failed(run(stack->getIterator(), block.end())) ||
                  failed(run(block.begin(), stack->getIterator())) ||
                  failed(run(std::next(stack->getIterator()), block.end())) ||
                  failed(run(stack->getIterator(), block.end()))))
      signalPassFailure();
  }

  LogicalResult run(Block::iterator first, Block::iterator last) {
    for (Operation &op : llvm::make_range(first, last)) {
      auto phase = dyn_cast<PhaseOp>(op);
      auto layers = dyn_cast<LayersOp>(op);
      if ((phase && failed(run(phase))) || (layers && failed(run(layers))))
        return failure();
    }
    return success();
  }

  LogicalResult run(PhaseOp phase) {
    SmallVector<AllocOp> touched;
    for (LoadOp load : phase.getBody().getOps<LoadOp>())
      if (auto alloc = load.getBuffer().getDefiningOp<AllocOp>()) {
        if (failed(checkInside(load, alloc)) || failed(checkLoad(load, alloc)))
          return failure();
        touched.push_back(alloc);
        ++numLoads;
      }
    for (StoreOp store : phase.getBody().getOps<StoreOp>())
      if (auto alloc = store.getDestination().getDefiningOp<AllocOp>()) {
        if (failed(checkInside(store, alloc)) || failed(checkStore(store, alloc, touched)))
          return failure();
        owners.set(beginOf(alloc), endOf(alloc), alloc);
        touched.push_back(alloc);
        ++numStores;
      }
    return success();
  }

  LogicalResult run(const Way &way) {
    for (Operation *op : way) {
      auto phase = dyn_cast<PhaseOp>(op);
      auto exit = dyn_cast<ExitIfOp>(op);
      if ((phase && failed(run(phase))) || (exit && failed(run(exit))))
        return failure();
    }
    return success();
  }

  LogicalResult run(ExitIfOp exit) {
    auto alloc = exit.getConfidence().getDefiningOp<AllocOp>();
    if (!alloc)
      return success();
    ++numLoads;
    return failure(failed(checkInside(exit, alloc)) || failed(checkLoad(exit, alloc)));
  }

  /// All pairs of bodies that follow each other, each at least twice.
  LogicalResult run(LayersOp layers) {
    if (isOrderOpen(layers))
      return runInAnyOrder(layers);
    SmallVector<int64_t> order;
    if (std::optional<ArrayRef<int64_t>> select = layers.getSelect())
      order.assign(select->begin(), select->end());
    else
      order.assign(std::min<int64_t>(layers.getCount(), 3), 0);
    for (int64_t body : order)
      if (failed(run(getWays(layers.getBodies()[body]).front())))
        return failure();
    return success();
  }

  /// Pairs of bodies, as layers may be left out.  What is behind the stack finds what the
  /// last pair left, and every pair finds what was ahead of the stack.
  LogicalResult runInAnyOrder(LayersOp layers) {
    Owners before = owners;
    for (auto [first, second] : getBodyPairs(layers))
      for (const Way &way : getWays(layers.getBodies()[first]))
        for (const Way &next :
             second < 0 ? SmallVector<Way>(1) : getWays(layers.getBodies()[second])) {
          owners = before;
          if (failed(run(way)) || failed(run(next)))
            return failure();
        }
    return success();
  }

  static int64_t beginOf(AllocOp alloc) {
    return alloc.getOffset() ? static_cast<int64_t>(*alloc.getOffset()) : -1;
  }
  static int64_t endOf(AllocOp alloc) { return beginOf(alloc) + alloc.getType().getBytes(); }

  LogicalResult checkInside(Operation *op, AllocOp alloc) {
    int64_t arena = static_cast<int64_t>(getOperation().getArena().value_or(0));
    // The end may not be a number that 64 bits can hold.
    if (beginOf(alloc) >= 0 && beginOf(alloc) <= arena - alloc.getType().getBytes())
      return success();
    return op->emitError() << "the buffer does not lie inside the arena of " << arena << " bytes";
  }

  LogicalResult checkLoad(Operation *load, AllocOp alloc) {
    Operation *other = owners.findOther(beginOf(alloc), endOf(alloc), alloc);
    if (other == alloc)
      return success();
    InFlightDiagnostic diag = load->emitError()
                              << (other ? "the buffer was overwritten by another before this load"
                                        : "the buffer is loaded before it is stored");
    if (other)
      diag.attachNote(other->getLoc()) << "the other buffer";
    return diag;
  }

  /// Tiles have no order, so not even a buffer whose last load is in the same
  /// phase may give its memory away.
  LogicalResult checkStore(StoreOp store, AllocOp alloc, ArrayRef<AllocOp> touched) {
    for (AllocOp other : touched) {
      if (other == alloc || endOf(other) <= beginOf(alloc) || endOf(alloc) <= beginOf(other))
        continue;
      InFlightDiagnostic diag = store.emitError()
                                << "the buffer overlaps another that the same phase uses";
      diag.attachNote(other.getLoc()) << "the other buffer";
      return diag;
    }
    return success();
  }

  Owners owners;

  lathe::PassCounter numLoads{"loads", "loads from the arena that were followed"};
  lathe::PassCounter numStores{"stores", "stores to the arena that were followed"};
};

} // namespace

static const lathe::PassCounters<CheckMemoryPlanPass> counters{&CheckMemoryPlanPass::numLoads,
                                                               &CheckMemoryPlanPass::numStores};
static const lathe::PassEffectRegistration effect("lathe-check-memory-plan",
                                                  {lathe::NumericEffect::Exact});
