//===- HeadPhase.cpp - The phase of an output head that is screened --------===//
//
// A few rows times a matrix, of which the caller wants the greatest products: a
// worker bounds those of its panels by the coarse weights, computes the ones with
// the highest bounds, meets the others, and computes what may still be among the
// greatest.  Coarse weights are read once for all rows; what follows is done row by
// row.  docs/head-screening.md has the steps and the proof.
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
static constexpr int64_t MoreLeaders = 15;
static constexpr int64_t MostLeaders = (MostWantedLogits + MoreLeaders + Batch - 1) / Batch * Batch;
/// The report has a bit for each row of the step.
static constexpr int64_t MostRows = 63;
/// Norms that add up to less leave no way to infinity for a finite scale of f16.
static constexpr float GreatestNorms = 0x1p96f;

#define LATHE_ARGUMENT(type, name)                                                                 \
  k.load(k.type(), k.at(c.argsPointer, offsetof(lathe_step_args, name)))

/// 2 to the power of `number`, an i64 from 0 to 63.
static Value bit(KernelBuilder &k, Value number) {
  return arith::ShLIOp::create(k.builder(), k.getLoc(), k.constant(1), number);
}

namespace {

class HeadPhase {
public:
  HeadPhase(PhaseContext &context, ir::HeadTopkOp head)
      : c(context), k(context.k), head(head),
        type(cast<RankedTensorType>(head.getWeight().getType())), outputs(type.getDimSize(0)),
        panels((outputs + PanelRows - 1) / PanelRows), steps(panelSteps(head.getWeight())),
        maxRows(context.maxRows()) {}

  LogicalResult emit();

private:
  using Carried = llvm::function_ref<SmallVector<Value>(ValueRange)>;

  void allocate();
  SmallVector<Value> forRows(ValueRange inits, Carried body);
  Value emitNorms();
  void emitWhole(Value firstRow, Value rows, int64_t mostRows = 0);
  void emitScreened(Value wanted);
  void emitScan();
  void emitRuledOut();
  void emitLeaders(Value wanted);
  Value pickLeaders(Value list, Value most);
  void takeBest(const Found &panel, Value place);
  Value emitThreshold(Value wanted);
  Found nextLeader(const Found &last, Value owner);
  SmallVector<Value> emitSurvivors(Value threshold, ValueRange carried);
  void collect(Value threshold);
  void collectPanel(Value panel, Value threshold);
  void emitBatches(Value count);
  void evaluate(Value list, Value count, Value ahead, Value values);
  void report(Value computed, Value whole);
  Value allOf(Value rows) { return k.mul(k.mul(ownPanels(), PanelRows), rows); }
  /// The part of private memory that belongs to `row`.
  Value own(Value memory, int64_t rowBytes) { return k.at(memory, k.mul(row, rowBytes)); }
  Value ownBounds() { return own(bounds, boundsBytes()); }
  Value ownMaxima() { return own(maxima, maximaBytes()); }
  Value ownExacts() { return own(exacts, ExactsBytes); }
  int64_t boundsBytes() const { return 4 * PanelRows * panels; }
  int64_t maximaBytes() const { return 4 * (panels + Lanes); }
  static constexpr int64_t ExactsBytes = 4 * MostLeaders;
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
  int64_t outputs, panels, steps, maxRows;
  Value matrix, from, to; ///< The packed weight; this worker's panels.
  Value row;              ///< i64: the one that is worked on.
  HeadInput input;

  // Private memory.
  Value bounds;  ///< f32 [rows][own panels][32]; -infinity once one is a leader.
  Value maxima;  ///< f32 [rows][own panels, filled up to 16 with -infinity]: the greatest of each.
  Value leaders; ///< i64 [Batch]: rows of the matrix.
  Value counts;  ///< i64 [rows]: how many leaders.
  Value survivors; ///< i64 [most + Batch]: rows of the matrix.
  Value counter;   ///< i64: how many survivors.
  Value exacts;    ///< f32 [rows][MostLeaders]: leaders' logits, -infinity where there is none.
  Value staged;    ///< A packed panel of rows from anywhere, and its tail.
  Value results;   ///< f32 [rows][32]
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
  input.norms = c.allocateScratch(4 * steps * maxRows);
  bounds = c.allocateScratch(boundsBytes() * maxRows);
  maxima = c.allocateScratch(maximaBytes() * maxRows);
  leaders = c.allocateScratch(8 * Batch);
  counts = c.allocateScratch(8 * maxRows);
  survivors = c.allocateScratch(8 * (panels * PanelRows / FewestRuledOut + Batch));
  counter = c.allocateScratch(8);
  exactsOffset = c.scratchBytes();
  exacts = c.allocateScratch(ExactsBytes * maxRows);
  staged = c.allocateScratch(format.panelBytes(steps) + format.tailBytes() * steps);
  results = c.allocateScratch(4 * PanelRows * maxRows);
  cell = c.allocateScratch(16);
}

/// `body` for each row of the step; gives what the last one did.
SmallVector<Value> HeadPhase::forRows(ValueRange inits, Carried body) {
  if (maxRows == 1) {
    row = k.constant(0);
    return body(inits);
  }
  return k.forLoop(k.constant(0), c.rowCount(), 1, inits, [&](Value each, ValueRange carried) {
    row = each;
    return body(carried);
  });
}

/// Rows of a panel that there are.
static Value rowsOf(KernelBuilder &k, Value panel, int64_t outputs) {
  return k.min(k.constant(PanelRows), k.sub(k.constant(outputs), k.mul(panel, PanelRows)));
}

/// Every product of this worker's panels with some rows.
void HeadPhase::emitWhole(Value firstRow, Value rows, int64_t mostRows) {
  bool direct = maxRows == 1 && outputs % PanelRows == 0;
  k.forLoop(from, to, 1, [&](Value panel) {
    Value column = k.at(c.args.logits, k.mul(panel, PanelRows * 4));
    Value destination = k.at(column, k.mul(firstRow, outputs * 4));
    emitTileCall(c, head.getInput(), head.getWeight(),
                 {.panel = panelAt(k, matrix, panel),
                  .firstRow = firstRow,
                  .rows = rows,
                  .manyRows = maxRows > 1,
                  .mostRows = mostRows,
                  .input = input.rows,
                  .destination = direct ? destination : results,
                  .destinationRowBytes = PanelRows * 4});
    // Rows of logits lie where caches have one set for all of them; and a last panel that
    // is not full has no memory behind its last column.
    if (direct)
      return;
    Value bytes = k.mul(rowsOf(k, panel, outputs), 4);
    k.forLoop(k.constant(0), rows, 1, [&](Value each) {
      Value own = k.at(results, k.mul(each, PanelRows * 4));
      Value into = k.at(destination, k.mul(each, outputs * 4));
      Value vectors = k.mul(k.div(bytes, Lanes * 4), Lanes * 4);
      k.forLoop(k.constant(0), vectors, Lanes * 4, [&](Value offset) {
        k.store(k.load(k.vec(k.f32()), k.at(own, offset)), k.at(into, offset));
      });
      k.forLoop(vectors, bytes, 4, [&](Value offset) {
        k.store(k.load(k.f32(), k.at(own, offset)), k.at(into, offset));
      });
    });
  });
}

/// `computed`: rows of the matrix, over all rows; `whole`: rows with all of them, a bit each.
void HeadPhase::report(Value computed, Value whole) {
  Value place = k.at(LATHE_ARGUMENT(ptr, head_report), k.mul(c.worker, LATHE_HEAD_REPORT_BYTES));
  k.store(computed, place);
  k.store(whole, k.at(place, 8));
}

/// The norms of all rows; gives the greatest sum of a row's, NaN where one is.
Value HeadPhase::emitNorms() {
  Value none = k.floatConstant(0.0f);
  return forRows(none, [&](ValueRange carried) -> SmallVector<Value> {
    Value sum = emitBlockNorms(k, input, row, steps);
    return {arith::MaximumFOp::create(k.builder(), k.getLoc(), carried[0], sum)};
  })[0];
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
  input.rows = c.rowsOf(head.getInput(), maxRows);
  allocate();
  std::tie(from, to) = c.workerRange(k.constant(panels));
  // No row need want logits.
  k.ifThen(k.less(k.constant(0), c.rowCount()), [&] {
    Value wanted = LATHE_ARGUMENT(i64, wanted_logits);
    Value finite =
        k.compare(arith::CmpFPredicate::OLT, emitNorms(), k.floatConstant(GreatestNorms));
    auto both = [&](Value a, Value b) -> Value {
      return arith::AndIOp::create(k.builder(), k.getLoc(), a, b);
    };
    Value asked = k.less(k.constant(0), wanted);
    Value few = k.less(wanted, k.constant(static_cast<int64_t>(head.getK()) + 1));
    Value screens = both(finite, both(asked, few));
    k.ifThenElse(
        screens, [&] { emitScreened(wanted); },
        [&] {
          emitWhole(k.constant(0), c.rowCount(), maxRows);
          Value all = k.sub(bit(k, c.rowCount()), k.constant(1));
          k.ifThen(asked, [&] { report(allOf(c.rowCount()), all); });
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
  forRows({}, [&](ValueRange) -> SmallVector<Value> {
    Value logits = own(c.args.logits, outputs * 4);
    k.forLoop(first, whole, Lanes * 4,
              [&](Value offset) { k.store(k.splat(-Infinity), k.at(logits, offset)); });
    k.forLoop(whole, last, 4,
              [&](Value offset) { k.store(k.floatConstant(-Infinity), k.at(logits, offset)); });
    k.store(k.splat(-Infinity), k.at(ownMaxima(), k.mul(ownPanels(), 4)));
    return {};
  });
}

void HeadPhase::emitScan() {
  k.forLoop(from, to, 1, [&](Value panel) {
    Value number = k.sub(panel, from);
    BoundsOperands operands{.panel = panelAt(k, matrix, panel).panel,
                            .rows = rowsOf(k, panel, outputs),
                            .bounds = k.at(bounds, k.mul(number, PanelRows * 4)),
                            .maximum = k.at(maxima, k.mul(number, 4))};
    if (maxRows == 1)
      return emitBounds(c, input, head.getWeight(), operands);
    emitTileCall(c, head.getInput(), head.getWeight(),
                 {.panel = {operands.panel, {}},
                  .firstRow = k.constant(0),
                  .rows = c.rowCount(),
                  .manyRows = true,
                  .input = input.rows,
                  .destination = results,
                  .destinationRowBytes = PanelRows * 4,
                  .coarse = true});
    emitRowBounds(c, input, head.getWeight(),
                  {.inputRows = c.rowCount(),
                   .products = results,
                   .first = operands,
                   .boundsBytes = boundsBytes(),
                   .maximumBytes = maximaBytes()});
  });
}

//===----------------------------------------------------------------------===//
// Rows from anywhere
//===----------------------------------------------------------------------===//

/// The logits of `row` and the first `count` rows in `list`, also into `values`; asks for
/// the `ahead` rows behind them.
void HeadPhase::evaluate(Value list, Value count, Value ahead, Value values) {
  const WeightFormat &format = formatOf(head.getWeight());
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
                       input.rows.sums,
                       row};
  c.callPart("rows" + std::to_string(parts++), arguments, [&](PhaseContext &part, ValueRange a) {
    KernelBuilder &b = part.k;
    Value logits = b.at(part.args.logits, b.mul(a[11], outputs * 4));
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
                  .firstRow = a[11],
                  .rows = b.constant(1),
                  .manyRows = maxRows > 1,
                  .input = rows,
                  .destination = a[6],
                  .destinationRowBytes = PanelRows * 4});
    b.forLoop(b.constant(0), a[1], 1, [&](Value number) {
      Value logit = b.load(b.f32(), b.at(a[6], b.mul(number, 4)));
      b.store(logit, b.at(logits, b.mul(rowAt(number), 4)));
      b.store(logit, b.at(a[3], b.mul(number, 4)));
    });
  });
}

//===----------------------------------------------------------------------===//
// Leaders and the threshold
//===----------------------------------------------------------------------===//

/// Takes the row with the best bound of `panel` as a leader, into `place`.
void HeadPhase::takeBest(const Found &panel, Value place) {
  Value of = k.at(ownBounds(), k.mul(panel.index, PanelRows * 4));
  Found best = emitNext(c, of, k.constant(PanelGroups), firstOfAll(k), cell);
  Value number = k.add(from, panel.index);
  k.store(k.add(k.mul(number, PanelRows), best.index), place);
  // It arrives while the next ones are looked for.
  formatOf(head.getWeight())
      .coarse()
      ->prefetchRow(k, panelAt(k, matrix, number), best.index, k.constant(steps));
  k.store(k.floatConstant(-Infinity), k.at(of, k.mul(best.index, 4)));
  k.store(emitMaximum(k, of), k.at(ownMaxima(), k.mul(panel.index, 4)));
}

/// The rows with the best bounds, at most so many; gives their number.
Value HeadPhase::pickLeaders(Value list, Value most) {
  Value vectors = k.ceilDiv(ownPanels(), k.constant(Lanes));
  return k.forLoop(
      k.constant(0), most, 1, k.constant(0), [&](Value, ValueRange carried) -> SmallVector<Value> {
        Found panel = emitNext(c, ownMaxima(), vectors, firstOfAll(k), cell);
        Value some = k.compare(arith::CmpFPredicate::OGT, panel.value, k.floatConstant(-Infinity));
        Value place = k.at(list, k.mul(carried[0], 8));
        k.ifThen(some, [&] { takeBest(panel, place); });
        Value one = k.select(some, k.constant(1), k.constant(0));
        return {k.add(carried[0], one)};
      })[0];
}

/// Computes the rows with the best bounds, and stores their number.
void HeadPhase::emitLeaders(Value wanted) {
  Value logits = ownExacts();
  k.forLoop(k.constant(0), k.constant(ExactsBytes), Lanes * 4,
            [&](Value offset) { k.store(k.splat(-Infinity), k.at(logits, offset)); });
  Value most = k.add(wanted, MoreLeaders);
  Value all = k.forLoop(k.constant(0), most, Batch, k.constant(0),
                        [&](Value first, ValueRange carried) -> SmallVector<Value> {
                          Value left = k.min(k.sub(most, first), k.constant(Batch));
                          Value count = pickLeaders(leaders, left);
                          evaluate(leaders, count, k.constant(0), k.at(logits, k.mul(first, 4)));
                          return {k.add(carried[0], count)};
                        })[0];
  k.store(all, own(counts, 8));
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
        Value theirs = k.at(k.at(scratch, k.mul(worker, stride)), exactsOffset);
        Found found = emitNext(c, own(theirs, ExactsBytes), k.constant(MostLeaders / Lanes),
                               {last.value, index}, cell);
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
  Value of = k.at(ownBounds(), k.mul(panel, PanelRows * 4));
  Value first = k.mul(k.add(from, panel), PanelRows);
  Value most = k.constant(panels * PanelRows / FewestRuledOut);
  Value count =
      k.forLoop(k.constant(0), k.constant(PanelRows), 1, k.load(k.i64(), counter),
                [&](Value lane, ValueRange carried) -> SmallVector<Value> {
                  // Beyond the limit nobody reads the list.
                  k.store(k.add(first, lane), k.at(survivors, k.mul(k.min(carried[0], most), 8)));
                  Value bound = k.load(k.f32(), k.at(of, k.mul(lane, 4)));
                  Value one = k.select(survives(bound, threshold), k.constant(1), k.constant(0));
                  return {k.add(carried[0], one)};
                })[0];
  k.store(count, counter);
}

void HeadPhase::collect(Value threshold) {
  k.store(k.constant(0), counter);
  k.forLoop(k.constant(0), ownPanels(), Lanes, [&](Value panel) {
    Value greatest = k.load(k.vec(k.f32()), k.at(ownMaxima(), k.mul(panel, 4)));
    Value some = vector::ReductionOp::create(k.builder(), k.getLoc(), vector::CombiningKind::OR,
                                             survives(greatest, k.broadcast(threshold)));
    k.ifThen(some, [&] {
      Value end = k.min(k.add(panel, Lanes), ownPanels());
      k.forLoop(panel, end, 1, [&](Value each) {
        Value best = k.load(k.f32(), k.at(ownMaxima(), k.mul(each, 4)));
        k.ifThen(survives(best, threshold), [&] { collectPanel(each, threshold); });
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

/// Computes the survivors of `row`, or leaves it to be computed whole.  Carries the first
/// row that is, one past the last, the rows of the matrix that were computed, and a bit for
/// each row that is whole.
SmallVector<Value> HeadPhase::emitSurvivors(Value threshold, ValueRange carried) {
  collect(threshold);
  Value count = k.load(k.i64(), counter), leaders = k.load(k.i64(), own(counts, 8));
  Value limit = k.div(k.mul(ownPanels(), PanelRows), FewestRuledOut);
  // A threshold of -infinity rules out not even rows that are not there.
  Value known = k.compare(arith::CmpFPredicate::OGT, threshold, k.floatConstant(-Infinity));
  Value few = arith::AndIOp::create(k.builder(), k.getLoc(), known, k.less(count, k.add(limit, 1)));
  k.ifThen(few, [&] { emitBatches(count); });
  Value computed = k.select(few, k.add(leaders, count), allOf(k.constant(1)));
  return {k.select(few, carried[0], k.min(carried[0], row)),
          k.select(few, carried[1], k.add(row, 1)), k.add(carried[2], computed),
          k.add(carried[3], k.select(few, k.constant(0), bit(k, row)))};
}

void HeadPhase::emitScreened(Value wanted) {
  emitRuledOut();
  emitScan();
  forRows({}, [&](ValueRange) -> SmallVector<Value> {
    emitLeaders(wanted);
    return {};
  });
  c.emitBarrier();
  Value none = k.constant(0);
  SmallVector<Value> found =
      forRows({k.constant(maxRows), none, none, none},
              [&](ValueRange carried) { return emitSurvivors(emitThreshold(wanted), carried); });
  // What is read for one row serves all rows between two that need it.
  k.ifThen(k.less(found[0], found[1]), [&] { emitWhole(found[0], k.sub(found[1], found[0])); });
  report(found[2], found[3]);
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
  if (program.getMaxRows() > MostRows)
    return head.emitError() << "there is code for programs of up to " << MostRows << " rows, got "
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
