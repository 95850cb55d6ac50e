//===- HeadCandidates.cpp - Which logits a screened head computes ----------===//
//
// The rows with the best bounds, the threshold that they set for all workers, and
// the rows that it does not rule out (docs/head-screening.md).
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/HeadPhase.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

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
  Value scratch = argument(k.ptr(), offsetof(lathe_step_args, scratch)),
        stride = argument(k.i64(), offsetof(lathe_step_args, scratch_stride));
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
          k.add(carried[3], k.select(few, k.constant(0), bit(row)))};
}
