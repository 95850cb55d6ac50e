//===- HeadPhase.cpp - The phase of an output head that is screened --------===//

#include "compiler/target/cpu/HeadPhase.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/RowEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// The report has a bit for each row of the step.
static constexpr int64_t MostRows = 63;
/// Norms that add up to less leave no way to infinity for a finite scale of f16.
static constexpr float GreatestNorms = 0x1p96f;

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
  Value place = k.at(argument(k.ptr(), offsetof(lathe_step_args, head_report)),
                     k.mul(c.worker, LATHE_HEAD_REPORT_BYTES));
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
  if (failed(emitPrologue(c, step::getPrologue(c.phase))))
    return failure();
  matrix = c.weightPointer(head.getWeight());
  input.rows = c.rowsOf(head.getInput(), maxRows);
  allocate();
  std::tie(from, to) = c.workerRange(k.constant(panels));
  // No row need want logits.
  k.ifThen(k.less(k.constant(0), c.rowCount()), [&] {
    Value wanted = argument(k.i64(), offsetof(lathe_step_args, wanted_logits));
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
          Value all = k.sub(bit(c.rowCount()), k.constant(1));
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
