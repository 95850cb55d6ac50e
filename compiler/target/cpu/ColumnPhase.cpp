//===- ColumnPhase.cpp - Phases around contractions ------------------------===//
//
// Per segment and tile of columns: for chunks of rows, the tiles of all
// contractions of the segment into private memory, then the epilogue row by
// row.  A tile's weights stay in the nearest caches while all rows pass.
//
// Where a step computes a part of the columns, workers share the tiles of that part;
// the others are zeros on which the epilogue works as on any.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/Epilogue.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/RowEmitter.h"
#include "compiler/target/cpu/TileEmitter.h"
#include "passes/Upstream.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

class ColumnPhase {
public:
  explicit ColumnPhase(PhaseContext &context)
      : c(context), k(context.k), chunk(std::min(context.maxRows(), context.target.rowChunk)) {}

  LogicalResult emit();

private:
  LogicalResult checkEmitters(ArrayRef<Segment> segments, ArrayRef<Operation *> prologue);
  void emitTiles(ArrayRef<Segment> segments);
  void shareTiles(ArrayRef<Segment> segments, ArrayRef<Value> tiles);
  void claimTiles(ArrayRef<Segment> segments, ArrayRef<Value> tiles);
  void emitItem(const Segment &segment, Value tiles, Value chunks, Value item);
  void emitTile(const Segment &segment, Value tile, Value firstRow, Value rows);
  void emitZeros(const Segment &segment, Value from, Value to);
  void allocateTiles(const Segment &segment);
  bool readsRowsOnce(const Segment &segment);
  /// Panels that are computed, and tiles that have one.
  Value panelsOf(const Segment &segment);
  Value tilesOf(const Segment &segment);
  /// Calls `body` with the tiles and their chunks of rows.
  void forTileRows(const Segment &segment, Value from, Value to,
                   llvm::function_ref<void(Value tile, Value firstRow, Value rows)> body);
  void clearPanel(Value memory, int64_t rowBytes, Value rows);
  void emitPanels(const Segment &segment, unsigned index, Value tile, Value firstRow, Value rows);
  void emitEpilogue(const Segment &segment, Value tile, Value firstRow, Value rows);

  PhaseContext &c;
  KernelBuilder &k;
  int64_t chunk;                 ///< Rows that pass a tile at a time.
  SmallVector<Value> tileMemory; ///< One per contraction of the current segment.
  unsigned segments = 0;         ///< That have an epilogue already.
};

} // namespace

/// A block of int8 must be two chunks that need nothing of a head.
static LogicalResult checkStores(const Segment &segment) {
  LogicalResult result = success();
  for (step::StoreOp store : segment.stores) {
    auto quantize = store.getValue().getDefiningOp<ir::QuantizeOp>();
    if (!quantize)
      continue;
    Type element = quantize.getType().getElementType();
    bool blocks = segment.outputs % 32 == 0 && segment.headColumns == Lanes;
    if (isa<ir::WideActivationType>(element) || (storesBlock(store) && !blocks))
      result = quantize.emitError() << "no code for rows of " << element << " behind a contraction";
  }
  return result;
}

/// Every op must have code before any is emitted; all that lack it are told.
LogicalResult ColumnPhase::checkEmitters(ArrayRef<Segment> segments,
                                         ArrayRef<Operation *> prologue) {
  LogicalResult result = success();
  for (Operation *op : prologue)
    if (!findRowEmitter(op->getName().getStringRef()))
      result = op->emitError() << "no code for '" << op->getName() << "' in front of a contraction";
  for (Operation &op : c.phase.getBody().front()) {
    auto fusable = dyn_cast<ir::FusionOpInterface>(op);
    if (!fusable || isa<ir::LinearOp, ir::KVAppendOp>(op) || llvm::is_contained(prologue, &op))
      continue;
    if (!findElementwiseEmitter(op.getName().getStringRef()))
      result = op.emitError() << "no code for '" << op.getName() << "' behind a contraction";
  }
  for (const Segment &segment : segments) {
    if (failed(checkStores(segment)))
      result = failure();
    for (ir::LinearOp linear : segment.linears) {
      auto type = cast<RankedTensorType>(linear.getWeight().getType());
      const WeightFormat *format =
          findWeightFormat(llvm::StringRef(ir::getBlockFormat(type.getElementType())->Name));
      auto input = cast<RankedTensorType>(linear.getInput().getType()).getElementType();
      if (!format)
        result = linear.emitError() << "no code for weights of type " << type.getElementType();
      else if (isa<ir::QuantizedActivationType>(input) && !format->int8Weights())
        result = linear.emitError() << "no int8 code for weights of type " << type.getElementType();
      else if (linear.getOf() && (format->tailBytes() != 0 || isa<ir::ByteActivationType>(input)))
        result = linear.emitError()
                 << "no code for a part of the inputs of weights of type " << type.getElementType();
    }
  }
  return result;
}

LogicalResult ColumnPhase::emit() {
  FailureOr<SmallVector<Segment>> segments = findSegments(c.phase);
  if (failed(segments))
    return failure();
  SmallVector<Operation *> prologue = step::getPrologue(c.phase);
  if (failed(checkEmitters(*segments, prologue)) || failed(emitPrologue(c, prologue)))
    return failure();

  emitTiles(*segments);
  return success();
}

Value ColumnPhase::panelsOf(const Segment &segment) {
  if (Value width = c.widthOf(segment.width))
    return k.div(width, PanelRows);
  return k.constant((segment.outputs + PanelRows - 1) / PanelRows);
}

Value ColumnPhase::tilesOf(const Segment &segment) {
  if (!segment.width)
    return k.constant(segment.tiles());
  return k.ceilDiv(panelsOf(segment), k.constant(segment.tileColumns / PanelRows));
}

/// Of a chunk of few rows, workers take equal shares of the cost: a tile belongs to the worker in
/// whose share it starts.
void ColumnPhase::shareTiles(ArrayRef<Segment> segments, ArrayRef<Value> tiles) {
  SmallVector<Value> bases{k.constant(0)};
  for (auto [segment, count] : llvm::zip(segments, tiles))
    bases.push_back(k.add(bases.back(), k.mul(count, segment.tileCost())));
  auto [from, to] = c.workerRange(bases.back());
  for (auto [segment, count, base] : llvm::zip(segments, tiles, bases)) {
    auto firstTile = [&](Value unit) {
      Value relative = k.max(k.sub(unit, base), k.constant(0));
      return k.min(k.ceilDiv(relative, k.constant(segment.tileCost())), count);
    };
    allocateTiles(segment);
    forTileRows(
        segment, firstTile(from), firstTile(to),
        [&](Value tile, Value firstRow, Value rows) { emitTile(segment, tile, firstRow, rows); });
  }
}

/// Of the rows and the weights, which both meet in the nearest cache, the one that takes fewer
/// bytes comes there again and again.
bool ColumnPhase::readsRowsOnce(const Segment &segment) {
  int64_t rowBytes = 0, weightBytes = 0;
  for (ir::LinearOp linear : segment.linears) {
    auto rows = cast<RankedTensorType>(linear.getInput().getType());
    auto matrix = cast<RankedTensorType>(linear.getWeight().getType());
    rowBytes = std::max(rowBytes,
                        step::getRowBytes(c.maxRows(), rows.getDimSize(1), rows.getElementType()));
    weightBytes +=
        packedPanelBytes(*ir::getBlockFormat(matrix.getElementType()), matrix.getDimSize(1)) *
        ((matrix.getDimSize(0) + PanelRows - 1) / PanelRows);
  }
  return weightBytes < rowBytes;
}

/// Emits an item of claimTiles.
void ColumnPhase::emitItem(const Segment &segment, Value tiles, Value chunks, Value item) {
  auto emitChunk = [&](Value tile, Value row) {
    emitTile(segment, tile, row, k.min(k.constant(chunk), k.sub(c.rowCount(), row)));
  };
  allocateTiles(segment);
  if (!segment.appends.empty())
    return k.forLoop(k.constant(0), c.rowCount(), chunk, [&](Value row) { emitChunk(item, row); });
  bool rowsOnce = readsRowsOnce(segment);
  Value inner = rowsOnce ? tiles : chunks;
  Value outer = k.div(item, inner), rest = k.sub(item, k.mul(outer, inner));
  emitChunk(rowsOnce ? rest : outer, k.mul(rowsOnce ? outer : rest, chunk));
}

/// Of many, they claim a chunk of a tile at a time.  Those of a tile follow each other, as its
/// weights are near then, or those of a chunk, as its rows are.  What goes into the cache has one
/// worker for each head, because formats write back what lies beside a position; it takes long, and
/// so comes first.
void ColumnPhase::claimTiles(ArrayRef<Segment> segments, ArrayRef<Value> tiles) {
  Value chunks = k.ceilDiv(c.rowCount(), k.constant(chunk));
  SmallVector<unsigned> order;
  for (bool appends : {true, false})
    for (auto [number, segment] : llvm::enumerate(segments))
      if (appends != segment.appends.empty())
        order.push_back(number);
  SmallVector<Value> ends{k.constant(0)};
  for (unsigned number : order) {
    Value items = segments[number].appends.empty() ? k.mul(tiles[number], chunks) : tiles[number];
    ends.push_back(k.add(ends.back(), items));
  }
  c.forClaimed(ends.back(), [&](Value item) {
    for (auto [number, start, end] : llvm::zip(order, ends, llvm::drop_begin(ends))) {
      Value own = arith::AndIOp::create(k.builder(), k.getLoc(), k.less(item, end),
                                        k.less(k.sub(start, k.constant(1)), item));
      k.ifThen(own, [&] { emitItem(segments[number], tiles[number], chunks, k.sub(item, start)); });
    }
  });
}

void ColumnPhase::emitTiles(ArrayRef<Segment> segments) {
  SmallVector<Value> tiles;
  for (const Segment &segment : segments)
    tiles.push_back(tilesOf(segment));
  if (c.maxRows() > chunk)
    claimTiles(segments, tiles);
  else
    shareTiles(segments, tiles);
  for (auto [segment, count] : llvm::zip(segments, tiles)) {
    if (!segment.width)
      continue;
    auto [first, last] = c.workerRange(k.sub(k.constant(segment.tiles()), count));
    emitZeros(segment, k.add(count, first), k.add(count, last));
  }
}

void ColumnPhase::allocateTiles(const Segment &segment) {
  tileMemory.clear();
  for (size_t i = 0; i < segment.linears.size(); ++i)
    tileMemory.push_back(c.allocateScratch(chunk * segment.tileColumns * 4));
}

void ColumnPhase::forTileRows(const Segment &segment, Value from, Value to,
                              llvm::function_ref<void(Value, Value, Value)> body) {
  // The only row need not want logits.
  if (chunk == 1 && c.phase.getLogitsRows())
    to = k.min(to, k.mul(c.rowCount(), k.constant(segment.tiles())));
  k.forLoop(from, to, 1, [&](Value tile) {
    if (chunk == 1)
      return body(tile, k.constant(0), k.constant(1));
    k.forLoop(k.constant(0), c.rowCount(), chunk, [&](Value row) {
      body(tile, row, k.min(k.constant(chunk), k.sub(c.rowCount(), row)));
    });
  });
}

void ColumnPhase::emitTile(const Segment &segment, Value tile, Value firstRow, Value rows) {
  for (unsigned index = 0; index < segment.linears.size(); ++index)
    emitPanels(segment, index, tile, firstRow, rows);
  emitEpilogue(segment, tile, firstRow, rows);
}

/// One panel's columns of some rows of a tile become 0.
void ColumnPhase::clearPanel(Value memory, int64_t rowBytes, Value rows) {
  k.forLoop(k.constant(0), rows, 1, [&](Value row) {
    for (int64_t group = 0; group < PanelGroups; ++group)
      k.store(k.splat(0.0f), k.at(memory, k.mul(row, rowBytes), group * Lanes * 4));
  });
}

/// The epilogue reads its tiles and leaves them as they are.
void ColumnPhase::emitZeros(const Segment &segment, Value from, Value to) {
  allocateTiles(segment);
  int64_t rowBytes = segment.tileColumns * 4;
  k.ifThen(k.less(from, to), [&] {
    for (Value memory : tileMemory)
      k.forLoop(k.constant(0), k.constant(segment.tileColumns), PanelRows, [&](Value column) {
        clearPanel(k.at(memory, k.mul(column, 4)), rowBytes, k.constant(chunk));
      });
  });
  forTileRows(segment, from, to, [&](Value tile, Value firstRow, Value rows) {
    emitEpilogue(segment, tile, firstRow, rows);
  });
}

void ColumnPhase::emitPanels(const Segment &segment, unsigned index, Value tile, Value firstRow,
                             Value rows) {
  ir::LinearOp linear = segment.linears[index];
  int64_t panelsPerTile = segment.tileColumns / PanelRows;
  auto type = cast<RankedTensorType>(linear.getWeight().getType());
  Value weights = c.weightPointer(linear.getWeight());
  Rows input = c.rowsOf(linear.getInput(), c.maxRows());
  Value firstPanel = k.mul(tile, panelsPerTile);
  // A last tile that is not full has no memory behind its last panel.
  Value panels = k.min(k.constant(panelsPerTile), k.sub(panelsOf(segment), firstPanel));
  k.forLoop(k.constant(0), panels, 1, [&](Value panel) {
    TileOperands operands{.panel = emitPanelPointers(k, weights, type, k.add(firstPanel, panel)),
                          .firstRow = firstRow,
                          .rows = rows,
                          .manyRows = c.maxRows() > 1,
                          .mostRows = c.maxRows() <= c.target.rowChunk ? c.maxRows() : 0,
                          .input = input,
                          .destination = k.at(tileMemory[index], k.mul(panel, PanelRows * 4)),
                          .destinationRowBytes = segment.tileColumns * 4,
                          .inputs = c.widthOf(linear.getOf())};
    emitTileCall(c, linear.getInput(), linear.getWeight(), operands);
  });
  if (segment.width && panelsPerTile > 1)
    k.forLoop(panels, k.constant(panelsPerTile), 1, [&](Value panel) {
      clearPanel(k.at(tileMemory[index], k.mul(panel, PanelRows * 4)), segment.tileColumns * 4,
                 rows);
    });
}

/// `values`: the first row, how many, the first column, how many, and the tile of each
/// contraction.
static void emitEpilogueRows(PhaseContext &c, const Segment &segment, ValueRange values) {
  KernelBuilder &k = c.k;
  // Columns past the last output are not there.
  bool whole = segment.outputs % segment.tileColumns == 0;
  Value columns = whole ? k.constant(segment.tileColumns) : values[3];
  if (llvm::any_of(segment.stores, storesBlock))
    emitBlockStores(c, segment, {values[0], values[2], values.drop_front(4), c.maxRows()},
                    values[1], columns);
  if (llvm::all_of(segment.stores, storesBlock))
    return;
  k.forLoop(k.constant(0), values[1], 1, [&](Value row) {
    EpiloguePlace place{k.add(values[0], row), values[2], {}, c.maxRows()};
    for (Value memory : values.drop_front(4))
      place.tiles.push_back(k.at(memory, k.mul(row, segment.tileColumns * 4)));
    emitChunks(c, segment, place, columns,
               [](EpilogueRow &part, int64_t chunk) { part.emitStores(chunk); });
  });
}

/// A part of its own: entries, and phases that only add to a row, have the same one.
void ColumnPhase::emitEpilogue(const Segment &segment, Value tile, Value firstRow, Value rows) {
  Value firstColumn = k.mul(tile, segment.tileColumns);
  Value columns =
      k.min(k.constant(segment.tileColumns), k.sub(k.constant(segment.outputs), firstColumn));
  SmallVector<Value> arguments{firstRow, rows, firstColumn, columns};
  llvm::append_range(arguments, tileMemory);
  std::string name = "epilogue" + std::to_string(segments++);
  c.callPart(name, arguments, [&](PhaseContext &part, ValueRange values) {
    emitEpilogueRows(part, segment, values);
  });
}

/// As ColumnPhase::shareTiles and claimTiles divide them.
static double findBusiestShare(ArrayRef<Segment> segments, int64_t chunks, int64_t workers) {
  SmallVector<int64_t> costs;
  for (bool appends : {true, false})
    for (const Segment &segment : segments) {
      if (appends != (chunks > 1 && !segment.appends.empty()))
        continue;
      int64_t together = appends ? chunks : 1;
      costs.append(segment.tiles() * chunks / together, segment.tileCost() * together);
    }
  int64_t total = std::accumulate(costs.begin(), costs.end(), int64_t(0)), unit = 0;
  SmallVector<int64_t> load(workers);
  for (int64_t cost : costs) {
    // Worker w has the units from total * w / workers on; a claim is of who is ready first.
    int64_t owner =
        chunks > 1 ? llvm::min_element(load) - load.begin() : ((unit + 1) * workers - 1) / total;
    load[owner] += cost;
    unit += cost;
  }
  return total ? static_cast<double>(*llvm::max_element(load)) / total : 1;
}

static PhaseTiles divideColumns(step::PhaseOp phase, const CpuTarget &target, int64_t rows, int64_t,
                                int64_t workers) {
  FailureOr<SmallVector<Segment>> segments = findSegments(phase);
  if (failed(segments))
    return {};
  PhaseTiles tiles;
  for (const Segment &segment : *segments) {
    TileGroup group;
    for (ir::LinearOp linear : segment.linears)
      group.contractions.push_back(linear);
    group.columns = segment.tileColumns;
    group.rows = std::min(rows, target.rowChunk);
    group.count = segment.tiles();
    tiles.groups.push_back(std::move(group));
  }
  int64_t chunks = (rows + target.rowChunk - 1) / target.rowChunk;
  tiles.busiestShare = findBusiestShare(*segments, chunks, workers);
  return tiles;
}

static PhaseTiles divideRows(step::PhaseOp, const CpuTarget &, int64_t rows, int64_t,
                             int64_t workers) {
  int64_t most = (rows + workers - 1) / workers;
  return {{{{}, 0, 1, rows}}, static_cast<double>(most) / rows};
}

static PhaseEmitterRegistration columns({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Columns && phase.getOps<ir::HeadTopkOp>().empty() &&
             phase.getOps<ir::ExpertLinearOp>().empty();
    },
    [](PhaseContext &context) { return ColumnPhase(context).emit(); },
    divideColumns,
});
static PhaseEmitterRegistration rows({
    [](step::PhaseOp phase) {
      return phase.getAxis() == step::Axis::Rows && !holdsUpstream(phase.getBody().front());
    },
    emitRowPhase,
    divideRows,
});
