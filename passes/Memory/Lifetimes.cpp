//===- Lifetimes.cpp - When the buffers of a program are needed ------------===//

#include "passes/Memory/Lifetimes.h"
#include "passes/Memory/Accesses.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace lathe::step;

namespace {

struct Use {
  int64_t position;
  bool write;
  Region *body; ///< The body of the layer stack it is in, or null.
};

struct Range {
  int64_t first = INT64_MAX;
  int64_t last = -1;
};

/// Numbers the phases and collects the accesses of every buffer.
class UseCollector {
public:
  explicit UseCollector(ProgramOp program) {
    for (Operation &op : program.getBody().front()) {
      if (auto phase = dyn_cast<PhaseOp>(op))
        visit(phase, nullptr);
      else if (auto layers = dyn_cast<LayersOp>(op)) {
        if (layers == getResumedStack(program))
          resumed.first = position;
        visit(layers);
      }
    }
    if (resumed.first != INT64_MAX)
      resumed.last = position - 1;
  }

  llvm::MapVector<Value, SmallVector<Use>> uses;
  DenseMap<Region *, Range> loopOfBody; ///< All bodies of a stack share its range.
  Range resumed;                        ///< From the start of the stack that is gone on with.

private:
  void visit(PhaseOp phase, Region *body) {
    for (const Access &access : getAccesses(phase))
      if (access.memory.getDefiningOp<AllocOp>())
        uses[access.memory].push_back({position, access.write, body});
    ++position;
  }

  void visit(ExitIfOp exit, Region *body) {
    if (exit.getConfidence().getDefiningOp<AllocOp>())
      uses[exit.getConfidence()].push_back({position, /*write=*/false, body});
    ++position;
  }

  void visit(LayersOp layers) {
    int64_t first = position;
    // An exit comes behind its own phases.
    for (Region &body : layers.getBodies())
      body.walk([&](Operation *op) {
        if (auto phase = dyn_cast<PhaseOp>(op))
          visit(phase, &body);
        else if (auto exit = dyn_cast<ExitIfOp>(op))
          visit(exit, &body);
      });
    for (Region &body : layers.getBodies())
      loopOfBody[&body] = {first, std::max(first, position - 1)};
  }

  int64_t position = 0;
};

} // namespace

static Range getRange(ArrayRef<Use> uses, const UseCollector &collector) {
  const DenseMap<Region *, Range> &loopOfBody = collector.loopOfBody;
  Range range;
  auto cover = [&](int64_t first, int64_t last) {
    range.first = std::min(range.first, first);
    range.last = std::max(range.last, last);
  };
  // A buffer that one body writes before it reads is made anew in each round.
  Region *body = uses.front().body;
  bool local = body && uses.front().write &&
               llvm::all_of(uses, [&](const Use &use) { return use.body == body; });
  for (const Use &use : uses) {
    cover(use.position, use.position);
    if (use.body && !local)
      cover(loopOfBody.lookup(use.body).first, loopOfBody.lookup(use.body).last);
  }
  // What a step that goes on reads must be there when the step before has ended.
  if (range.first <= collector.resumed.first && range.last >= collector.resumed.first && !local)
    cover(range.first, collector.resumed.last);
  return range;
}

SmallVector<Lifetime> lathe::step::computeLifetimes(ProgramOp program) {
  UseCollector collector(program);
  SmallVector<Lifetime> lifetimes;
  program.walk([&](AllocOp alloc) {
    auto it = collector.uses.find(alloc.getResult());
    if (it == collector.uses.end())
      return;
    Range range = getRange(it->second, collector);
    lifetimes.push_back({alloc, range.first, range.last});
  });
  return lifetimes;
}
