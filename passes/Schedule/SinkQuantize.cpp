//===- SinkQuantize.cpp - Quantising becomes an epilogue -------------------===//

#include "dialects/Step/StepOps.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"
#include "passes/Schedule/Passes.h"

namespace lathe {
#define GEN_PASS_DEF_SINKQUANTIZEPASS
#include "passes/Schedule/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::step;

namespace {

/// A phase over rows that only quantises, and where its rows come from.
struct Quantisation {
  PhaseOp phase;
  LoadOp load;
  ir::QuantizeOp op;
  StoreOp store, given; ///< `given` stores the rows of f32.
};

} // namespace

/// Whether every element can be computed where the contractions of its column are: no heads, and
/// no scale of a whole row.
static bool isOfColumns(Value value) {
  Operation *op = value.getDefiningOp();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  auto fusable = dyn_cast_if_present<ir::FusionOpInterface>(op);
  if (!fusable || !type || type.getRank() != 2)
    return false;
  if (isa<ir::LinearOp>(op))
    return true;
  return fusable.getFusionRole() == ir::FusionRole::Elementwise &&
         llvm::all_of(op->getOperands(), [](Value operand) {
           return isa_and_present<LoadOp, ir::WeightOp>(operand.getDefiningOp()) ||
                  isOfColumns(operand);
         });
}

/// The only store into the buffer that `load` reads, if nothing else reads it.
static StoreOp findOnlyStore(LoadOp load) {
  if (!load.getBuffer().getDefiningOp<AllocOp>())
    return {};
  StoreOp found;
  for (Operation *user : load.getBuffer().getUsers()) {
    if (user == load)
      continue;
    auto store = dyn_cast<StoreOp>(user);
    if (!store || found)
      return {};
    found = store;
  }
  return found;
}

/// Whether nothing but this store and phases behind it name the buffer.
static bool isFirstNeeded(StoreOp store, PhaseOp phase) {
  return llvm::all_of(store.getDestination().getUsers(), [&](Operation *user) {
    Operation *around = phase->getBlock()->findAncestorOpInBlock(*user);
    return user == store || (around && phase->isBeforeInBlock(around));
  });
}

static std::optional<Quantisation> match(PhaseOp phase) {
  Block &body = phase.getBody().front();
  if (phase.getAxis() != Axis::Rows || std::distance(body.begin(), body.end()) != 3)
    return std::nullopt;
  Quantisation found;
  found.phase = phase;
  found.load = dyn_cast<LoadOp>(body.front());
  found.op = dyn_cast<ir::QuantizeOp>(*std::next(body.begin()));
  found.store = dyn_cast<StoreOp>(body.back());
  if (!found.load || !found.op || !found.store || found.op.getInput() != found.load ||
      isa<ir::WideActivationType, ir::ByteActivationType>(found.op.getType().getElementType()) ||
      !isFirstNeeded(found.store, phase))
    return std::nullopt;
  found.given = findOnlyStore(found.load);
  if (!found.given || !isOfColumns(found.given.getValue()))
    return std::nullopt;
  auto giver = found.given->getParentOfType<PhaseOp>();
  if (giver->getBlock() != phase->getBlock() || !giver->isBeforeInBlock(phase) ||
      giver.getAxis() != Axis::Columns || giver.getLogitsRows() != phase.getLogitsRows())
    return std::nullopt;
  return found;
}

static void sink(Quantisation found) {
  auto buffer = found.given.getDestination().getDefiningOp<AllocOp>();
  OpBuilder builder(found.given);
  auto moved = ir::QuantizeOp::create(builder, found.op.getLoc(), found.op.getType(),
                                      found.given.getValue());
  StoreOp::create(builder, found.given.getLoc(), moved, found.store.getDestination());
  found.given->erase();
  found.phase->erase();
  buffer->erase();
}

namespace {

struct SinkQuantizePass : lathe::impl::SinkQuantizePassBase<SinkQuantizePass> {
  void runOnOperation() override {
    SmallVector<PhaseOp> phases;
    getOperation().walk([&](PhaseOp phase) { phases.push_back(phase); });
    for (PhaseOp phase : phases)
      if (std::optional<Quantisation> found = match(phase)) {
        sink(*found);
        ++numSunk;
      }
  }

  PassCounter numSunk{"sunk", "phases that quantise gone into epilogues"};
};

} // namespace

static const lathe::PassCounters<SinkQuantizePass> counters{&SinkQuantizePass::numSunk};
static const lathe::PassEffectRegistration effect("lathe-sink-quantize",
                                                  {lathe::NumericEffect::Exact});
