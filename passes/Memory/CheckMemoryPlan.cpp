//===- CheckMemoryPlan.cpp - Proves that a memory plan is sound ------------===//
//
// Simulates instead of reasoning about lifetimes, so that an error of the
// planner cannot hide in a shared notion of what is alive.
//
//===----------------------------------------------------------------------===//

#include "passes/Memory/Passes.h"


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
    for (Operation &op : getOperation().getBody().front()) {
      if (auto phase = dyn_cast<PhaseOp>(op))
        run(phase);
      else if (auto layers = dyn_cast<LayersOp>(op))
        run(layers);
      if (failedOnce)
        return signalPassFailure();
    }
  }

  void run(PhaseOp phase) {
    for (LoadOp load : phase.getBody().getOps<LoadOp>())
      if (auto alloc = load.getBuffer().getDefiningOp<AllocOp>())
        checkLoad(load, alloc);
    for (StoreOp store : phase.getBody().getOps<StoreOp>())
      if (auto alloc = store.getDestination().getDefiningOp<AllocOp>(); alloc && inside(store, alloc))
        owners.set(*alloc.getOffset(), *alloc.getOffset() + alloc.getType().getBytes(), alloc);
  }

  /// All pairs of bodies that follow each other, each at least twice.
  void run(LayersOp layers) {
    SmallVector<int64_t> order;
    if (std::optional<ArrayRef<int64_t>> select = layers.getSelect())
      order.assign(select->begin(), select->end());
    else
      order.assign(std::min<int64_t>(layers.getCount(), 3), 0);
    for (int64_t body : order)
      for (PhaseOp phase : layers.getBodies()[body].getOps<PhaseOp>())
        run(phase);
  }

  bool inside(Operation *op, AllocOp alloc) {
    int64_t arena = static_cast<int64_t>(getOperation().getArena().value_or(0));
    int64_t offset = alloc.getOffset() ? static_cast<int64_t>(*alloc.getOffset()) : -1;
    if (offset >= 0 && offset + alloc.getType().getBytes() <= arena)
      return true;
    op->emitError() << "the buffer does not lie inside the arena of " << arena << " bytes";
    failedOnce = true;
    return false;
  }

  void checkLoad(LoadOp load, AllocOp alloc) {
    if (!inside(load, alloc))
      return;
    int64_t begin = *alloc.getOffset(), end = begin + alloc.getType().getBytes();
    Operation *other = owners.findOther(begin, end, alloc);
    if (other == alloc)
      return;
    InFlightDiagnostic diag = load.emitError()
                              << (other ? "the buffer was overwritten by another before this load"
                                        : "the buffer is loaded before it is stored");
    if (other)
      diag.attachNote(other->getLoc()) << "the other buffer";
    failedOnce = true;
  }

  Owners owners;
  bool failedOnce = false;
};

} // namespace
