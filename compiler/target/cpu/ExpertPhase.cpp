//===- ExpertPhase.cpp - Phases around contractions of experts -------------===//
//
// The workers share the columns of one expert, and each of them goes through all
// experts: those of a single row one after the other; for many rows, a list of each
// expert's rows is made first, and what they put in is brought together, so that a
// tile's weights meet them all.  Weights of experts without a row are not touched.
// A row's sums are those of any other number of rows.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/Epilogue.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/RowEmitter.h"
#include "compiler/target/cpu/TileEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Rows that an expert was chosen for.
struct ExpertRows {
  Value expert, count;                      ///< i64
  llvm::function_ref<Value(Value)> placeOf; ///< Row * chosen + place among its choices.
};

class ExpertPhase {
public:
  explicit ExpertPhase(PhaseContext &context) : c(context), k(context.k) {}

  LogicalResult emit();

private:
  LogicalResult check(ArrayRef<Segment> segments, ArrayRef<Operation *> prologue);
  void emitOneRow(const Segment &segment, Value from, Value to);
  void emitManyRows(const Segment &segment, Value from, Value to);
  void listRows(const Segment &segment);
  void emitExpert(const Segment &segment, const ExpertRows &own, Value from, Value to);
  void emitTile(const Segment &segment, const ExpertRows &own, Value tile);
  void emitPanel(ir::ExpertLinearOp linear, const ExpertRows &own, Value tile, Value memory);
  Value choiceAt(ir::ExpertLinearOp linear, Value place);
  Rows inputOf(ir::ExpertLinearOp linear, Value j);
  void gather(ir::ExpertLinearOp linear, const ExpertRows &own);
  void copyRow(const Rows &from, Value row, const Rows &to, Value index, Type element);

  PhaseContext &c;
  KernelBuilder &k;
  SmallVector<Value> tileMemory;        ///< One per contraction of the segment.
  llvm::DenseMap<Value, Rows> gathered; ///< Of an input, the rows of one expert.
  Value ends;                           ///< i64 [experts]: where each one's rows end in `places`.
  Value places;                         ///< i64: rows and choices, those of an expert together.
};

} // namespace

static Type inputElement(ir::ExpertLinearOp linear) {
  return cast<RankedTensorType>(linear.getInput().getType()).getElementType();
}

/// Every op must have code before any is emitted; all that lack it are told.
LogicalResult ExpertPhase::check(ArrayRef<Segment> segments, ArrayRef<Operation *> prologue) {
  LogicalResult result = success();
  for (Operation *op : prologue)
    if (!findRowEmitter(op->getName().getStringRef()))
      result = op->emitError() << "no code for '" << op->getName() << "' in front of experts";
  for (Operation &op : c.phase.getBody().front()) {
    auto fusable = dyn_cast<ir::FusionOpInterface>(op);
    bool known = !fusable || isa<ir::ExpertLinearOp>(op) || llvm::is_contained(prologue, &op);
    if (!known && !findElementwiseEmitter(op.getName().getStringRef()))
      result = op.emitError() << "no code for '" << op.getName() << "' behind experts";
  }
  for (const Segment &segment : segments) {
    if (!segment.linears.empty() || segment.tileColumns != PanelRows)
      result = c.phase.emitError() << "experts share no epilogue with others, or with heads";
    Value choice;
    for (ir::ExpertLinearOp linear : segment.experts) {
      choice = choice ? choice : linear.getChoice();
      if (linear.getChoice() != choice)
        result = linear.emitError() << "contractions that share an epilogue need the same choice";
      Type type = cast<RankedTensorType>(linear.getWeight().getType()).getElementType();
      const WeightFormat *format = findWeightFormat(StringRef(ir::getBlockFormat(type)->Name));
      bool int8 = isa<ir::QuantizedActivationType>(inputElement(linear));
      if (!format || (int8 && !format->int8Weights()))
        result = linear.emitError()
                 << "no " << (int8 ? "int8 " : "") << "code for weights of type " << type;
    }
  }
  return result;
}

LogicalResult ExpertPhase::emit() {
  FailureOr<SmallVector<Segment>> segments = findSegments(c.phase);
  if (failed(segments))
    return failure();
  SmallVector<Operation *> prologue = step::getPrologue(c.phase);
  if (failed(check(*segments, prologue)) || failed(emitPrologue(c, prologue)))
    return failure();
  for (const Segment &segment : *segments) {
    auto [from, to] = c.workerRange(k.constant(segment.tiles()));
    if (c.maxRows() == 1)
      emitOneRow(segment, from, to);
    else
      emitManyRows(segment, from, to);
  }
  return success();
}

/// The expert at a place of the rows' choices, i64.  A program that was written by hand need
/// not have it from a router, so that what is no expert becomes the last one.
Value ExpertPhase::choiceAt(ir::ExpertLinearOp linear, Value place) {
  const Rows &choice = c.rowsOf(linear.getChoice(), c.maxRows());
  Value number = arith::ExtSIOp::create(k.builder(), k.getLoc(), k.i64(),
                                        k.load(k.i32(), k.at(choice.data, k.mul(place, 4))));
  Value last = k.constant(ir::dimOf(linear.getWeight(), 0) - 1);
  return arith::MinUIOp::create(k.builder(), k.getLoc(), number, last);
}

/// All rows of what goes into choice `j` of each.
Rows ExpertPhase::inputOf(ir::ExpertLinearOp linear, Value j) {
  Rows rows = c.rowsOf(linear.getInput(), c.maxRows());
  if (linear.sharesInput())
    return rows;
  rows.elements = linear.getInputs();
  if (!rows.scales) {
    int64_t bytes = inputElement(linear).getIntOrFloatBitWidth() / 8;
    rows.data = k.at(rows.data, k.mul(j, rows.elements * bytes));
    return rows;
  }
  Value block = k.mul(j, rows.elements / 32), scale = k.mul(block, rows.scaleBlockBytes);
  rows.data = k.at(rows.data, k.mul(block, rows.blockBytes));
  rows.scales = k.at(rows.scales, scale);
  rows.scaledSums = k.at(rows.scaledSums, scale);
  rows.sums = k.at(rows.sums, k.mul(scale, BlockSums::Bytes / 4));
  return rows;
}

void ExpertPhase::emitOneRow(const Segment &segment, Value from, Value to) {
  ir::ExpertLinearOp first = segment.experts.front();
  // The only row need not want logits.
  Value chosen = k.mul(c.rowCount(), first.getChosen());
  tileMemory.clear();
  for (size_t i = 0; i < segment.experts.size(); ++i)
    tileMemory.push_back(c.allocateScratch(segment.tileColumns * 4));
  k.forLoop(k.constant(0), chosen, 1, [&](Value j) {
    for (ir::ExpertLinearOp linear : segment.experts)
      gathered[linear.getInput()] = inputOf(linear, j);
    auto placeOf = [&](Value) { return j; };
    ExpertRows own{choiceAt(first, j), k.constant(1), placeOf};
    k.forLoop(from, to, 1, [&](Value tile) { emitTile(segment, own, tile); });
  });
}

/// Sorts the rows and their choices by expert, in order of the rows, into `places` and
/// `ends`.
void ExpertPhase::listRows(const Segment &segment) {
  ir::ExpertLinearOp first = segment.experts.front();
  int64_t experts = ir::dimOf(first.getWeight(), 0);
  Value count = k.mul(c.rowCount(), first.getChosen()), zero = k.constant(0);
  auto endOf = [&](Value expert) { return k.at(ends, k.mul(expert, 8)); };
  ends = c.allocateScratch((experts + 1) * 8);
  places = c.allocateScratch(c.maxRows() * first.getChosen() * 8);
  k.forLoop(zero, k.constant(experts + 1), 1, [&](Value e) { k.store(zero, endOf(e)); });
  // Counts, each one place further; then where each expert's rows begin; then, as these are
  // filled, where they end.
  k.forLoop(zero, count, 1, [&](Value place) {
    Value counter = endOf(k.add(choiceAt(first, place), 1));
    k.store(k.add(k.load(k.i64(), counter), 1), counter);
  });
  k.forLoop(zero, k.constant(experts), 1, [&](Value e) {
    Value next = endOf(k.add(e, 1));
    k.store(k.add(k.load(k.i64(), next), k.load(k.i64(), endOf(e))), next);
  });
  k.forLoop(zero, count, 1, [&](Value place) {
    Value end = endOf(choiceAt(first, place)), next = k.load(k.i64(), end);
    k.store(place, k.at(places, k.mul(next, 8)));
    k.store(k.add(next, 1), end);
  });
}

void ExpertPhase::emitManyRows(const Segment &segment, Value from, Value to) {
  listRows(segment);
  ir::ExpertLinearOp first = segment.experts.front();
  int64_t chunk = std::min(c.maxRows() * first.getChosen(), c.target.rowChunk);
  tileMemory.clear();
  gathered.clear();
  for (ir::ExpertLinearOp linear : segment.experts) {
    tileMemory.push_back(c.allocateScratch(chunk * segment.tileColumns * 4));
    if (!gathered.contains(linear.getInput()))
      gathered[linear.getInput()] = c.allocateRows(chunk, linear.getInputs(), inputElement(linear));
  }
  auto emitAll = [&](Value expert, ValueRange start) -> SmallVector<Value> {
    Value end = k.load(k.i64(), k.at(ends, k.mul(expert, 8)));
    k.forLoop(start[0], end, chunk, [&](Value at) {
      auto placeOf = [&](Value i) { return k.load(k.i64(), k.at(places, k.mul(k.add(at, i), 8))); };
      ExpertRows own{expert, k.min(k.constant(chunk), k.sub(end, at)), placeOf};
      emitExpert(segment, own, from, to);
    });
    return {end};
  };
  // A worker may have no tile.
  k.ifThen(k.less(from, to), [&] {
    Value experts = k.constant(ir::dimOf(first.getWeight(), 0));
    k.forLoop(k.constant(0), experts, 1, {k.constant(0)}, emitAll);
  });
}

void ExpertPhase::emitExpert(const Segment &segment, const ExpertRows &own, Value from, Value to) {
  llvm::SmallPtrSet<Value, 2> done;
  for (ir::ExpertLinearOp linear : segment.experts)
    if (done.insert(linear.getInput()).second)
      gather(linear, own);
  k.forLoop(from, to, 1, [&](Value tile) { emitTile(segment, own, tile); });
}

/// Brings what goes into the expert's rows together.
void ExpertPhase::gather(ir::ExpertLinearOp linear, const ExpertRows &own) {
  Rows to = gathered.lookup(linear.getInput());
  k.forLoop(k.constant(0), own.count, 1, [&](Value i) {
    Value place = own.placeOf(i);
    Rows from = inputOf(linear, k.rem(place, linear.getChosen()));
    copyRow(from, k.div(place, linear.getChosen()), to, i, inputElement(linear));
  });
}

void ExpertPhase::copyRow(const Rows &from, Value row, const Rows &to, Value index, Type element) {
  auto copy = [&](Value source, Value destination, int64_t bytes) {
    k.store(k.load(k.vec(k.i8(), bytes), source), destination);
  };
  if (!to.scales) {
    int64_t bytes = to.elements * element.getIntOrFloatBitWidth() / 8, step = commonLanes({bytes});
    Value source = k.at(from.data, k.mul(row, from.rowBytes));
    Value destination = k.at(to.data, k.mul(index, to.rowBytes));
    k.forLoop(k.constant(0), k.constant(bytes), step,
              [&](Value offset) { copy(k.at(source, offset), k.at(destination, offset), step); });
    return;
  }
  k.forLoop(k.constant(0), k.constant(to.elements / 32), 1, [&](Value block) {
    auto part = [&](Value Rows::*base, int64_t bytes, int64_t fromStep, int64_t toStep) {
      copy(k.at(from.*base, k.add(k.mul(block, fromStep), k.mul(row, bytes))),
           k.at(to.*base, k.add(k.mul(block, toStep), k.mul(index, bytes))), bytes);
    };
    constexpr int64_t sums = BlockSums::Bytes;
    part(&Rows::data, 32, from.blockBytes, to.blockBytes);
    part(&Rows::scales, 4, from.scaleBlockBytes, to.scaleBlockBytes);
    part(&Rows::scaledSums, 4, from.scaleBlockBytes, to.scaleBlockBytes);
    part(&Rows::sums, sums, from.scaleBlockBytes / 4 * sums, to.scaleBlockBytes / 4 * sums);
  });
}

void ExpertPhase::emitPanel(ir::ExpertLinearOp linear, const ExpertRows &own, Value tile,
                            Value memory) {
  auto matrix = ir::getMatrixType(cast<RankedTensorType>(linear.getWeight().getType()));
  Value panel = k.add(k.mul(own.expert, linear.getOutputs() / PanelRows), tile);
  Value weights = c.weightPointer(linear.getWeight());
  TileOperands operands{.panel = emitPanelPointers(k, weights, matrix, panel),
                        .firstRow = k.constant(0),
                        .rows = own.count,
                        .manyRows = c.maxRows() > 1,
                        .input = gathered.lookup(linear.getInput()),
                        .destination = memory,
                        .destinationRowBytes = PanelRows * 4};
  emitTileCall(c, linear.getInput(), linear.getWeight(), operands);
}

/// The products of a tile's columns, and what stands behind them, row by row.
void ExpertPhase::emitTile(const Segment &segment, const ExpertRows &own, Value tile) {
  for (auto [linear, memory] : llvm::zip(segment.experts, tileMemory))
    emitPanel(linear, own, tile, memory);
  ir::ExpertLinearOp first = segment.experts.front();
  int64_t chosen = first.getChosen();
  k.forLoop(k.constant(0), own.count, 1, [&](Value i) {
    Value at = own.placeOf(i), column = k.mul(k.rem(at, chosen), segment.outputs);
    EpiloguePlace place{k.div(at, chosen), k.add(column, k.mul(tile, PanelRows)), {}, c.maxRows()};
    for (Value memory : tileMemory)
      place.tiles.push_back(k.at(memory, k.mul(i, PanelRows * 4)));
    emitChunks(c, segment, place, k.constant(PanelRows),
               [](EpilogueRow &part, int64_t chunk) { part.emitStores(chunk); });
  });
}

static PhaseTiles divideExperts(step::PhaseOp phase, const CpuTarget &target, int64_t rows, int64_t,
                                int64_t workers) {
  FailureOr<SmallVector<Segment>> segments = findSegments(phase);
  if (failed(segments))
    return {};
  PhaseTiles tiles;
  int64_t most = 0, all = 0;
  for (const Segment &segment : *segments) {
    ir::ExpertLinearOp first = segment.experts.front();
    int64_t pairs = rows * first.getChosen();
    TileGroup group;
    group.contractions.assign(segment.experts.begin(), segment.experts.end());
    group.columns = segment.tileColumns;
    group.rows = std::min(pairs, target.rowChunk);
    group.count = segment.tiles() * std::min(pairs, ir::dimOf(first.getWeight(), 0));
    tiles.groups.push_back(std::move(group));
    most += (segment.tiles() + workers - 1) / workers;
    all += segment.tiles();
  }
  tiles.busiestShare = static_cast<double>(most) / static_cast<double>(all);
  return tiles;
}

static PhaseEmitterRegistration experts({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Columns && !phase.getOps<ir::ExpertLinearOp>().empty();
    },
    [](PhaseContext &context) { return ExpertPhase(context).emit(); },
    divideExperts,
});
