//===- HeadPhase.cpp - The phase of an output head that is screened --------===//
//
// One row times a matrix, of which the caller wants the greatest products: a
// worker bounds those of its panels by the coarse weights, computes the ones with
// the highest bounds, meets the others, and computes what may still be among the
// greatest.  docs/head-screening.md has the steps and the proof.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/HeadScan.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/RowEmitter.h"

#include "lathe/abi.h"

#include <cstddef>
#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr float Infinity = std::numeric_limits<float>::infinity();
/// Rows that are computed together, as one panel.
static constexpr int64_t Batch = PanelRows;
/// A worker computes all of its panels when more than one row of so many survives.
static constexpr int64_t FewestRuledOut = 8;
/// Leaders beyond the wanted ones: they make the threshold sharp.
static constexpr int64_t MoreLeaders = 24;
static constexpr int64_t MostLeaders = (MostWantedLogits + MoreLeaders + Batch - 1) / Batch * Batch;
/// Norms that add up to less leave no way to infinity for a finite scale of f16.
static constexpr float GreatestNorms = 0x1p96f;

#define LATHE_ARGUMENT(type, name)                                                                 \
  k.load(k.type(), k.at(c.argsPointer, offsetof(lathe_step_args, name)))

namespace {

class HeadPhase {
public:
  HeadPhase(PhaseContext &context, ir::HeadTopkOp head)
      : c(context), k(context.k), head(head),
        type(cast<RankedTensorType>(head.getWeight().getType())), outputs(type.getDimSize(0)),
        panels((outputs + PanelRows - 1) / PanelRows) {}

  LogicalResult emit();

private:
  void allocate();
  void emitWhole();
  void emitScreened(Value wanted);
  void emitScan();
  void emitRuledOut();
  Value emitLeaders(Value wanted);
  Value pickLeaders(Value list);
  void takeBest(const Found &panel, Value place);
  Value emitThreshold(Value wanted);
  Found nextLeader(const Found &last, Value owner);
  void emitSurvivors(Value threshold, Value leaders);
  void collect(Value threshold);
  void collectPanel(Value panel, Value threshold);
  void emitBatches(Value count);
  void evaluate(Value list, Value count, Value ahead, Value values);
  void report(Value computed, bool whole);
  Value survives(Value bound, Value threshold) {
    // A NaN survives.
    return k.compare(arith::CmpFPredicate::UGE, bound, threshold);
  }
  Value ownPanels() { return k.sub(to, from); }
  PanelPointers panelAt(KernelBuilder &b, Value matrix, Value number) {
    return emitPanelPointers(b, matrix, type, number);
  }

  PhaseContext &c;
  KernelBuilder &k;
  ir::HeadTopkOp head;
  RankedTensorType type;
  int64_t outputs, panels;
  Value matrix, from, to; ///< The packed weight; this worker's panels.
  HeadInput input;

  // Private memory.
  Value bounds;    ///< f32 [own panels][32]; -infinity once a row is a leader.
  Value maxima;    ///< f32 [own panels, filled up to 16 with -infinity]: the greatest of each.
  Value leaders;   ///< i64 [Batch]: rows.
  Value survivors; ///< i64 [most + Batch]: rows.
  Value counter;   ///< i64: how many survivors.
  Value exacts;    ///< f32 [MostLeaders]: their logits, -infinity where there is none.
  Value staged;    ///< A packed panel of rows from anywhere, and its tail.
  Value results;   ///< f32 [32]
  Value cell;      ///< 16 bytes for emitNext.
  int64_t exactsOffset = 0;
  unsigned parts = 0; ///< Functions made for rows from anywhere; they come out the same.
};

} // namespace

//===----------------------------------------------------------------------===//
// All of it
//===----------------------------------------------------------------------===//

void HeadPhase::allocate() {
  const WeightFormat &format = formatOf(head.getWeight());
  int64_t steps = panelSteps(head.getWeight());
  input.norms = c.allocateScratch(4 * steps);
  bounds = c.allocateScratch(4 * PanelRows * panels);
  maxima = c.allocateScratch(4 * (panels + Lanes));
  leaders = c.allocateScratch(8 * Batch);
  survivors = c.allocateScratch(8 * (panels * PanelRows / FewestRuledOut + Batch));
  counter = c.allocateScratch(8);
  exactsOffset = c.scratchBytes();
  exacts = c.allocateScratch(4 * MostLeaders);
  staged = c.allocateScratch(format.panelBytes(steps) + format.tailBytes() * steps);
  results = c.allocateScratch(4 * PanelRows);
  cell = c.allocateScratch(16);
}

/// Rows of a panel that there are.
static Value rowsOf(KernelBuilder &k, Value panel, int64_t outputs) {
  return k.min(k.constant(PanelRows), k.sub(k.constant(outputs), k.mul(panel, PanelRows)));
}

/// Every product of this worker's panels.
void HeadPhase::emitWhole() {
  k.forLoop(from, to, 1, [&](Value panel) {
    Value destination = k.at(c.args.logits, k.mul(panel, PanelRows * 4));
    bool whole = outputs % PanelRows == 0;
    emitTileCall(c, head.getInput(), head.getWeight(),
                 {.panel = panelAt(k, matrix, panel),
                  .firstRow = k.constant(0),
                  .rows = k.constant(1),
                  .manyRows = false,
                  .input = input.rows,
                  .destination = whole ? destination : results,
                  .destinationRowBytes = PanelRows * 4});
    // A last panel that is not full has no memory behind its last row.
    if (!whole)
      k.forLoop(k.constant(0), k.mul(rowsOf(k, panel, outputs), 4), 4, [&](Value offset) {
        k.store(k.load(k.f32(), k.at(results, offset)), k.at(destination, offset));
      });
  });
}

void HeadPhase::report(Value computed, bool whole) {
  Value place = k.at(LATHE_ARGUMENT(ptr, head_report), k.mul(c.worker, LATHE_HEAD_REPORT_BYTES));
  k.store(computed, place);
  k.store(k.constant(whole), k.at(place, 8));
}

LogicalResult HeadPhase::emit() {
  SmallVector<Operation *> prologue;
  for (Operation &op : c.phase.getBody().front()) {
    auto fusable = dyn_cast<ir::FusionOpInterface>(op);
    if (fusable && fusable.getFusionRole() == ir::FusionRole::RowWise)
      prologue.push_back(&op);
  }
  if (failed(emitPrologue(c, prologue)))
    return failure();
  matrix = c.weightPointer(head.getWeight());
  input.rows = c.rowsOf(head.getInput(), 1);
  allocate();
  std::tie(from, to) = c.workerRange(k.constant(panels));
  // The only row need not want logits.
  k.ifThen(k.less(k.constant(0), c.rowCount()), [&] {
    Value wanted = LATHE_ARGUMENT(i64, wanted_logits);
    Value norms = emitBlockNorms(k, input, panelSteps(head.getWeight()));
    Value finite = k.compare(arith::CmpFPredicate::OLT, norms, k.floatConstant(GreatestNorms));
    auto both = [&](Value a, Value b) -> Value {
      return arith::AndIOp::create(k.builder(), k.getLoc(), a, b);
    };
    Value asked = k.less(k.constant(0), wanted);
    Value few = k.less(wanted, k.constant(static_cast<int64_t>(head.getK()) + 1));
    Value screens = both(finite, both(asked, few));
    k.ifThenElse(
        screens, [&] { emitScreened(wanted); },
        [&] {
          emitWhole();
          k.ifThen(asked, [&] { report(k.mul(ownPanels(), PanelRows), true); });
        });
  });
  return success();
}

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

/// No logit of this worker's rows is among the wanted until it is computed.
void HeadPhase::emitRuledOut() {
  Value first = k.mul(from, PanelRows * 4);
  Value last = k.min(k.mul(to, PanelRows * 4), k.constant(outputs * 4));
  Value whole = k.add(first, k.mul(k.div(k.sub(last, first), Lanes * 4), Lanes * 4));
  k.forLoop(first, whole, Lanes * 4,
            [&](Value offset) { k.store(k.splat(-Infinity), k.at(c.args.logits, offset)); });
  k.forLoop(whole, last, 4, [&](Value offset) {
    k.store(k.floatConstant(-Infinity), k.at(c.args.logits, offset));
  });
}

void HeadPhase::emitScan() {
  k.forLoop(from, to, 1, [&](Value panel) {
    Value own = k.sub(panel, from);
    emitBounds(c, input, head.getWeight(),
               {.panel = panelAt(k, matrix, panel).panel,
                .rows = rowsOf(k, panel, outputs),
                .bounds = k.at(bounds, k.mul(own, PanelRows * 4)),
                .maximum = k.at(maxima, k.mul(own, 4))});
  });
  k.store(k.splat(-Infinity), k.at(maxima, k.mul(ownPanels(), 4)));
}

//===----------------------------------------------------------------------===//
// Rows from anywhere
//===----------------------------------------------------------------------===//

/// The logits of the first `count` rows in `list`, also into `values`; asks for the
/// `ahead` rows behind them.
void HeadPhase::evaluate(Value list, Value count, Value ahead, Value values) {
  const WeightFormat &format = formatOf(head.getWeight());
  int64_t steps = panelSteps(head.getWeight());
  Value arguments[] = {list,
                       count,
                       ahead,
                       values,
                       matrix,
                       staged,
                       results,
                       input.rows.data,
                       input.rows.scales,
                       input.rows.scaledSums,
                       input.rows.sums};
  c.callPart("rows" + std::to_string(parts++), arguments, [&](PhaseContext &part, ValueRange a) {
    KernelBuilder &b = part.k;
    auto rowAt = [&](Value number) { return b.load(b.i64(), b.at(a[0], b.mul(number, 8))); };
    auto placeOf = [&](Value row) { return panelAt(b, a[4], b.div(row, PanelRows)); };
    PanelPointers into{a[5], b.at(a[5], format.panelBytes(steps))};
    Value blocks = b.constant(steps);
    b.forLoop(b.constant(0), a[1], 1, [&](Value number) {
      Value row = rowAt(number);
      format.coarse()->copyRow(b, placeOf(row), b.rem(row, PanelRows), into, number, blocks);
    });
    b.forLoop(a[1], b.add(a[1], a[2]), 1, [&](Value number) {
      Value row = rowAt(number);
      format.coarse()->prefetchRow(b, placeOf(row), b.rem(row, PanelRows), blocks);
    });
    Rows rows = input.rows;
    rows.data = a[7], rows.scales = a[8], rows.scaledSums = a[9], rows.sums = a[10];
    emitTileCall(part, head.getInput(), head.getWeight(),
                 {.panel = into,
                  .firstRow = b.constant(0),
                  .rows = b.constant(1),
                  .manyRows = false,
                  .input = rows,
                  .destination = a[6],
                  .destinationRowBytes = PanelRows * 4});
    b.forLoop(b.constant(0), a[1], 1, [&](Value number) {
      Value logit = b.load(b.f32(), b.at(a[6], b.mul(number, 4)));
      b.store(logit, b.at(part.args.logits, b.mul(rowAt(number), 4)));
      b.store(logit, b.at(a[3], b.mul(number, 4)));
    });
  });
}

//===----------------------------------------------------------------------===//
// Leaders and the threshold
//===----------------------------------------------------------------------===//

/// Takes the row with the best bound of `panel` as a leader, into `place`.
void HeadPhase::takeBest(const Found &panel, Value place) {
  Value own = k.at(bounds, k.mul(panel.index, PanelRows * 4));
  Found row = emitNext(c, own, k.constant(PanelGroups), firstOfAll(k), cell);
  k.store(k.add(k.mul(k.add(from, panel.index), PanelRows), row.index), place);
  k.store(k.floatConstant(-Infinity), k.at(own, k.mul(row.index, 4)));
  k.store(emitMaximum(k, own), k.at(maxima, k.mul(panel.index, 4)));
}

/// The rows with the best bounds, at most a batch; gives their number.
Value HeadPhase::pickLeaders(Value list) {
  Value vectors = k.ceilDiv(ownPanels(), k.constant(Lanes));
  return k.forLoop(k.constant(0), k.constant(Batch), 1, k.constant(0),
                   [&](Value, ValueRange carried) -> SmallVector<Value> {
                     Found panel = emitNext(c, maxima, vectors, firstOfAll(k), cell);
                     Value some = k.compare(arith::CmpFPredicate::OGT, panel.value,
                                            k.floatConstant(-Infinity));
                     Value place = k.at(list, k.mul(carried[0], 8));
                     k.ifThen(some, [&] { takeBest(panel, place); });
                     Value one = k.select(some, k.constant(1), k.constant(0));
                     return {k.add(carried[0], one)};
                   })[0];
}

/// Computes the rows with the best bounds; gives their number.
Value HeadPhase::emitLeaders(Value wanted) {
  k.forLoop(k.constant(0), k.constant(MostLeaders * 4), Lanes * 4,
            [&](Value offset) { k.store(k.splat(-Infinity), k.at(exacts, offset)); });
  Value batches = k.ceilDiv(k.add(wanted, MoreLeaders), k.constant(Batch));
  return k.forLoop(k.constant(0), batches, 1, k.constant(0),
                   [&](Value batch, ValueRange carried) -> SmallVector<Value> {
                     Value count = pickLeaders(leaders);
                     evaluate(leaders, count, k.constant(0), k.at(exacts, k.mul(batch, Batch * 4)));
                     return {k.add(carried[0], count)};
                   })[0];
}

/// The next of all workers' leaders behind `last`, which belongs to worker `owner`;
/// `index` is 2^32 times the worker and the place among the leaders.
Found HeadPhase::nextLeader(const Found &last, Value owner) {
  Value scratch = LATHE_ARGUMENT(ptr, scratch), stride = LATHE_ARGUMENT(i64, scratch_stride);
  constexpr int64_t Shift = int64_t(1) << 32;
  Value inits[] = {k.floatConstant(-Infinity), k.constant(0)};
  SmallVector<Value> best = k.forLoop(
      k.constant(0), c.workers, 1, inits,
      [&](Value worker, ValueRange carried) -> SmallVector<Value> {
        // Of the workers before the last one's, equal numbers came already.
        Value index =
            k.select(k.less(worker, owner), k.constant(MostLeaders),
                     k.select(k.equal(worker, owner), k.rem(last.index, Shift), k.constant(-1)));
        Value own = k.at(k.at(scratch, k.mul(worker, stride)), exactsOffset);
        Found found = emitNext(c, own, k.constant(MostLeaders / Lanes), {last.value, index}, cell);
        Value better = k.compare(arith::CmpFPredicate::OGT, found.value, carried[0]);
        Value place = k.add(k.mul(worker, Shift), found.index);
        return {k.select(better, found.value, carried[0]), k.select(better, place, carried[1])};
      });
  return {best[0], best[1]};
}

/// The logit that is the `wanted`-th greatest of all workers' leaders, or -infinity.
Value HeadPhase::emitThreshold(Value wanted) {
  // Ahead of all: no worker has the number -1.
  Value inits[] = {k.floatConstant(Infinity), k.constant(0), k.constant(-1)};
  return k.forLoop(k.constant(0), wanted, 1, inits,
                   [&](Value, ValueRange carried) -> SmallVector<Value> {
                     Found next = nextLeader({carried[0], carried[1]}, carried[2]);
                     return {next.value, next.index, k.div(next.index, int64_t(1) << 32)};
                   })[0];
}

//===----------------------------------------------------------------------===//
// Survivors
//===----------------------------------------------------------------------===//

/// Appends the rows of one of this worker's panels that the threshold does not rule out.
void HeadPhase::collectPanel(Value panel, Value threshold) {
  Value own = k.at(bounds, k.mul(panel, PanelRows * 4));
  Value first = k.mul(k.add(from, panel), PanelRows);
  Value most = k.constant(panels * PanelRows / FewestRuledOut);
  Value count =
      k.forLoop(k.constant(0), k.constant(PanelRows), 1, k.load(k.i64(), counter),
                [&](Value row, ValueRange carried) -> SmallVector<Value> {
                  // Beyond the limit nobody reads the list.
                  k.store(k.add(first, row), k.at(survivors, k.mul(k.min(carried[0], most), 8)));
                  Value bound = k.load(k.f32(), k.at(own, k.mul(row, 4)));
                  Value one = k.select(survives(bound, threshold), k.constant(1), k.constant(0));
                  return {k.add(carried[0], one)};
                })[0];
  k.store(count, counter);
}

void HeadPhase::collect(Value threshold) {
  k.store(k.constant(0), counter);
  k.forLoop(k.constant(0), ownPanels(), Lanes, [&](Value panel) {
    Value greatest = k.load(k.vec(k.f32()), k.at(maxima, k.mul(panel, 4)));
    Value some = vector::ReductionOp::create(k.builder(), k.getLoc(), vector::CombiningKind::OR,
                                             survives(greatest, k.broadcast(threshold)));
    k.ifThen(some, [&] {
      Value end = k.min(k.add(panel, Lanes), ownPanels());
      k.forLoop(panel, end, 1, [&](Value each) {
        Value own = k.load(k.f32(), k.at(maxima, k.mul(each, 4)));
        k.ifThen(survives(own, threshold), [&] { collectPanel(each, threshold); });
      });
    });
  });
}

void HeadPhase::emitBatches(Value count) {
  k.forLoop(k.constant(0), count, Batch, [&](Value first) {
    Value rest = k.sub(count, first), own = k.min(rest, k.constant(Batch));
    Value ahead = k.min(k.sub(rest, own), k.constant(Batch));
    evaluate(k.at(survivors, k.mul(first, 8)), own, ahead, results);
  });
}

void HeadPhase::emitSurvivors(Value threshold, Value leaders) {
  collect(threshold);
  Value count = k.load(k.i64(), counter);
  Value limit = k.div(k.mul(ownPanels(), PanelRows), FewestRuledOut);
  // A threshold of -infinity rules out not even rows that are not there.
  Value known = k.compare(arith::CmpFPredicate::OGT, threshold, k.floatConstant(-Infinity));
  Value few = arith::AndIOp::create(k.builder(), k.getLoc(), known, k.less(count, k.add(limit, 1)));
  k.ifThenElse(
      few,
      [&] {
        emitBatches(count);
        report(k.add(leaders, count), false);
      },
      [&] {
        emitWhole();
        report(k.mul(ownPanels(), PanelRows), true);
      });
}

void HeadPhase::emitScreened(Value wanted) {
  emitRuledOut();
  emitScan();
  Value leaders = emitLeaders(wanted);
  c.emitBarrier();
  emitSurvivors(emitThreshold(wanted), leaders);
}

//===----------------------------------------------------------------------===//
// Registration
//===----------------------------------------------------------------------===//

static ir::HeadTopkOp findHead(step::PhaseOp phase) {
  auto heads = phase.getOps<ir::HeadTopkOp>();
  return heads.empty() ? ir::HeadTopkOp() : *heads.begin();
}

/// The one op behind the rows, stored as the logits.
static LogicalResult check(PhaseContext &c, ir::HeadTopkOp head) {
  auto program = c.phase->getParentOfType<step::ProgramOp>();
  auto type = cast<RankedTensorType>(head.getWeight().getType());
  const WeightFormat *format =
      findWeightFormat(StringRef(ir::getBlockFormat(type.getElementType())->Name));
  if (!format || !format->coarse())
    return head.emitError() << "no coarse code for weights of type " << type.getElementType();
  if (program.getMaxRows() != 1)
    return head.emitError() << "there is code for programs of one row only, got "
                            << program.getMaxRows();
  for (Operation *user : head->getUsers())
    if (auto store = dyn_cast<step::StoreOp>(user);
        !store || store.getDestination() != program.getLogits())
      return head.emitError() << "the result must be stored as the logits alone";
  return success();
}

static PhaseTiles divide(step::PhaseOp phase, const CpuTarget &, int64_t rows, int64_t,
                         int64_t workers) {
  ir::HeadTopkOp head = findHead(phase);
  int64_t outputs = cast<RankedTensorType>(head.getWeight().getType()).getDimSize(0);
  int64_t panels = (outputs + PanelRows - 1) / PanelRows;
  auto most = static_cast<double>((panels + workers - 1) / workers);
  TileGroup group;
  group.contractions.push_back(head);
  group.columns = PanelRows;
  group.rows = rows;
  group.count = panels;
  PhaseTiles tiles;
  tiles.groups.push_back(std::move(group));
  tiles.busiestShare = most / static_cast<double>(panels);
  return tiles;
}

static PhaseEmitterRegistration registration({
    [](step::PhaseOp phase) { return bool(findHead(phase)); },
    [](PhaseContext &context) -> LogicalResult {
      ir::HeadTopkOp head = findHead(context.phase);
      if (failed(check(context, head)))
        return failure();
      return HeadPhase(context, head).emit();
    },
    divide,
});
