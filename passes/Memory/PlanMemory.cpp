//===- PlanMemory.cpp - Packs all buffers into one arena -------------------===//
//
// Decreasing size, best fit: the heuristic that XLA's heap simulator uses for
// the same problem (dynamic storage allocation is NP-hard).
//
//===----------------------------------------------------------------------===//

#include "passes/Memory/Lifetimes.h"
#include "passes/Memory/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

namespace lathe {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "passes/Memory/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe::step;

namespace {

struct Placement {
  Lifetime life;
  int64_t bytes;
  int64_t offset = -1;

  bool overlapsInTime(const Placement &other) const {
    return life.first <= other.life.last && other.life.first <= life.last;
  }
};

/// The smallest gap between the buffers alive at the same time that holds
/// `item`, or the end of the highest of them.
int64_t findBestFit(const Placement &item, ArrayRef<Placement *> placed) {
  SmallVector<const Placement *> live;
  for (const Placement *other : placed)
    if (item.overlapsInTime(*other))
      live.push_back(other);
  llvm::sort(live, [](const Placement *a, const Placement *b) { return a->offset < b->offset; });
  int64_t best = -1, bestGap = INT64_MAX, end = 0;
  for (const Placement *other : live) {
    int64_t gap = other->offset - end;
    if (gap >= item.bytes && gap < bestGap) {
      best = end;
      bestGap = gap;
    }
    end = std::max(end, other->offset + other->bytes);
  }
  return best >= 0 ? best : end;
}

/// The greatest sum of buffers alive at one time.
int64_t computeBound(ArrayRef<Placement> items) {
  int64_t bound = 0;
  for (const Placement &at : items) {
    int64_t sum = 0;
    for (const Placement &item : items)
      if (item.life.first <= at.life.first && at.life.first <= item.life.last)
        sum += item.bytes;
    bound = std::max(bound, sum);
  }
  return bound;
}

struct PlanMemoryPass : lathe::impl::PlanMemoryPassBase<PlanMemoryPass> {
  using PlanMemoryPassBase::PlanMemoryPassBase;

  void runOnOperation() override {
    if (alignment < 1 || !llvm::isPowerOf2_64(alignment)) {
      getOperation().emitError() << "alignment must be a power of two, got "
                                 << alignment.getValue();
      return signalPassFailure();
    }
    SmallVector<Placement> items;
    for (Lifetime life : computeLifetimes(getOperation()))
      items.push_back(
          {life, static_cast<int64_t>(llvm::alignTo(life.buffer.getType().getBytes(), alignment))});
    int64_t arena = place(items);
    int64_t bound = computeBound(items);
    Builder builder(&getContext());
    for (Placement &item : items) {
      item.life.buffer.setOffset(item.offset);
      if (remarks)
        item.life.buffer.emitRemark()
            << "phases " << item.life.first << " to " << item.life.last << ", bytes " << item.offset
            << " to " << item.offset + item.bytes;
    }
    getOperation().setArena(arena);
    getOperation().setArenaBound(bound);
    arenaBytes += arena;
    boundBytes += bound;
  }

  int64_t place(MutableArrayRef<Placement> items) {
    SmallVector<Placement *> order, placed;
    for (Placement &item : items)
      order.push_back(&item);
    // Equal sizes keep program order, so that plans are reproducible.
    std::sort(order.begin(), order.end(), [](Placement *a, Placement *b) {
      return a->bytes != b->bytes ? a->bytes > b->bytes : a < b;
    });
    int64_t arena = 0;
    for (Placement *item : order) {
      item->offset = findBestFit(*item, placed);
      placed.push_back(item);
      arena = std::max(arena, item->offset + item->bytes);
    }
    return arena;
  }

  lathe::PassCounter arenaBytes{"arena-bytes", "bytes of the arenas"};
  lathe::PassCounter boundBytes{"bound-bytes", "lower bound of the arenas"};
};

} // namespace

static const lathe::PassCounters<PlanMemoryPass> counters{&PlanMemoryPass::arenaBytes,
                                                          &PlanMemoryPass::boundBytes};
static const lathe::PassEffectRegistration effect("lathe-plan-memory",
                                                  {lathe::NumericEffect::Exact});
