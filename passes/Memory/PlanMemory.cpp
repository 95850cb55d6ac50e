//===- PlanMemory.cpp - Packs all buffers into one arena -------------------===//
//
// Best fit by decreasing size, the heuristic that XLA's heap simulator uses for
// the same problem (dynamic storage allocation is NP-hard).  Where that misses the
// lower bound, other orders are tried, and whatever made the arena as high as it
// is comes earlier: a search as TFLite's and Vela's planners do it, but without
// chance, so that plans are reproducible.
//
//===----------------------------------------------------------------------===//

#include "passes/Memory/Lifetimes.h"
#include "passes/Memory/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVectorExtras.h"
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

/// The order in which buffers are placed.
using Order = SmallVector<Placement *>;

/// Places all buffers in that order.  Gives the size of the arena and the place in
/// the order of the buffer that ends highest.
std::pair<int64_t, size_t> place(const Order &order) {
  SmallVector<Placement *> placed;
  int64_t arena = 0;
  size_t highest = 0;
  for (auto [index, item] : llvm::enumerate(order)) {
    item->offset = findBestFit(*item, placed);
    placed.push_back(item);
    if (item->offset + item->bytes > arena) {
      arena = item->offset + item->bytes;
      highest = index;
    }
  }
  return {arena, highest};
}

/// Puts those with the least key first; equal ones keep their order.
void sortBy(Order &order, llvm::function_ref<int64_t(const Placement *)> key) {
  SmallVector<std::tuple<int64_t, size_t, Placement *>> keyed;
  for (auto [index, item] : llvm::enumerate(order))
    keyed.push_back({key(item), index, item});
  llvm::sort(keyed);
  for (auto [index, item] : llvm::enumerate(keyed))
    order[index] = std::get<2>(item);
}

/// Orders to begin with.  Equal buffers keep program order.
SmallVector<Order> makeOrders(MutableArrayRef<Placement> items) {
  auto length = [](const Placement *item) { return item->life.last - item->life.first + 1; };
  Order bySize;
  for (Placement &item : items)
    bySize.push_back(&item);
  sortBy(bySize, [](const Placement *item) { return -item->bytes; });
  Order byArea = bySize, byLength = bySize, byStart = bySize;
  sortBy(byArea, [&](const Placement *item) { return -item->bytes * length(item); });
  sortBy(byLength, [&](const Placement *item) { return -length(item); });
  sortBy(byStart, [](const Placement *item) { return item->life.first; });
  return {bySize, byArea, byLength, byStart};
}

/// Tries orders until the arena is as small as `bound`, and keeps the best plan.
int64_t placeWell(MutableArrayRef<Placement> items, int64_t bound) {
  constexpr int rounds = 64;
  int64_t best = INT64_MAX;
  SmallVector<int64_t> offsets;
  for (Order &order : makeOrders(items)) {
    for (int round = 0; round < rounds && best > bound; ++round) {
      auto [arena, highest] = place(order);
      if (arena < best) {
        best = arena;
        offsets = llvm::map_to_vector(items, [](Placement &item) { return item.offset; });
      }
      if (highest == 0)
        break;
      // Half way to the front: what lies there is larger and may block it.
      std::rotate(order.begin() + highest / 2, order.begin() + highest,
                  order.begin() + highest + 1);
    }
  }
  for (auto [item, offset] : llvm::zip(items, offsets))
    item.offset = offset;
  return items.empty() ? 0 : best;
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
    int64_t bound = computeBound(items);
    int64_t arena = placeWell(items, bound);
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

  lathe::PassCounter arenaBytes{"arena-bytes", "bytes of the arenas"};
  lathe::PassCounter boundBytes{"bound-bytes", "lower bound of the arenas"};
};

} // namespace

static const lathe::PassCounters<PlanMemoryPass> counters{&PlanMemoryPass::arenaBytes,
                                                          &PlanMemoryPass::boundBytes};
static const lathe::PassEffectRegistration effect("lathe-plan-memory",
                                                  {lathe::NumericEffect::Exact});
