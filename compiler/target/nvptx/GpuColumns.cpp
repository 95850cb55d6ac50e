//===- GpuColumns.cpp - Phases around contractions on a GPU ----------------===//
//
// The block computes what stands in front of the contractions for a chunk of rows
// into shared memory, and then takes tiles of columns.  The warps share the k of a
// panel; their sums meet in shared memory, in a fixed order, and a thread computes
// elements of what stands behind.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/Segments.h"
#include "compiler/target/cpu/VectorMath.h"
#include "compiler/target/nvptx/GpuElements.h"
#include "compiler/target/nvptx/GpuPhase.h"
#include "compiler/target/nvptx/GpuRowOps.h"
#include "compiler/target/nvptx/GpuTiles.h"
#include "compiler/target/nvptx/GpuWarpgroupTiles.h"
#include "compiler/target/nvptx/NvptxTarget.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Rows that pass a tile together, as their sums are in registers: of what each thread
/// computes, of what tensor cores do, and of what warpgroups do.
static constexpr int64_t MostRows = 8, MostTensorRows = 64, MostWarpgroupRows = 128;

namespace {

class ColumnPhase {
public:
  explicit ColumnPhase(GpuContext &context) : c(context), k(context.k) {}

  LogicalResult emit();

private:
  int64_t warpBytes(int64_t rows) const;
  int64_t workBytes(int64_t rows) const;
  int64_t tileBytes(int64_t rows) const;
  int64_t chunkBytes(int64_t rows) const;
  bool allLinears(llvm::function_ref<bool(ir::LinearOp)> holds) const;
  void widenTiles();
  LogicalResult chooseChunk();
  void allocate();
  LogicalResult emitChunks();
  void emitItems();
  void emitTile(const Segment &segment, Value tile);
  void emitPanels(const Segment &segment, unsigned index, Value tile);
  void emitPanel(ir::LinearOp linear, Value weights, Value sums, int64_t sumsRowBytes);
  void emitNorms(const Segment &segment, Value firstColumn);
  void emitEpilogue(const Segment &segment, Value firstColumn);
  GpuTile tileOf(const Segment &segment, Value firstColumn, Value local);
  int64_t headsOf(const Segment &segment) const {
    int64_t columns = std::min(segment.tileColumns, segment.outputs);
    return segment.headNorms.empty() ? 0 : columns / segment.headColumns;
  }

  GpuContext &c;
  GpuBuilder &k;
  SmallVector<Segment> segments;
  SmallVector<Operation *> prologue;
  bool sumsInWork = false;              ///< Of the last contraction of a tile.
  Value firstRow, rows;                 ///< Of the chunk.
  Value work;                           ///< Of the warps, for a panel.
  SmallVector<Value> products, factors; ///< f32 [row][column], f32 [row][head].
};

} // namespace

/// Panels that warpgroups take of a tile at a time.
static int64_t panelsAtATime(const Segment &segment) {
  int64_t panels = segment.tileColumns / PanelRows;
  return panels < MostWarpgroupPanels ? llvm::bit_floor(static_cast<uint64_t>(panels))
                                      : MostWarpgroupPanels;
}

/// What a warp takes for a panel.
int64_t ColumnPhase::warpBytes(int64_t rows) const {
  int64_t bytes = 0;
  for (const Segment &segment : segments)
    for (ir::LinearOp linear : segment.linears)
      if (!isWarpgroupProduct(c, linear))
        bytes = std::max(bytes, gpuPanelWarpBytes(linear, rows, !prologue.empty()));
  return bytes;
}

/// What all warps take.
int64_t ColumnPhase::workBytes(int64_t rows) const {
  int64_t bytes = BlockWarps * warpBytes(rows), columns = 0;
  for (const Segment &segment : segments) {
    columns = std::max(columns, segment.tileColumns);
    for (ir::LinearOp linear : segment.linears)
      if (isWarpgroupProduct(c, linear))
        bytes = std::max(bytes, gpuPanelsBytes(linear, rows, panelsAtATime(segment),
                                               /*sharedInput=*/!prologue.empty()));
  }
  return sumsInWork ? std::max(bytes, PanelsBarrierBytes + rows * columns * 4) : bytes;
}

/// Shared memory for what the block computes of a tile.
int64_t ColumnPhase::tileBytes(int64_t rows) const {
  int64_t linears = 0, norms = 0, columns = 0, heads = 0;
  for (const Segment &segment : segments) {
    linears = std::max<int64_t>(linears, segment.linears.size());
    norms = std::max<int64_t>(norms, segment.headNorms.size());
    columns = std::max(columns, segment.tileColumns);
    heads = std::max(heads, headsOf(segment));
  }
  return rows * 4 * ((linears - sumsInWork) * columns + norms * heads);
}

/// Shared memory for a chunk of so many rows.
int64_t ColumnPhase::chunkBytes(int64_t rows) const {
  // Alignment of each, and what reductions take.
  int64_t bytes = 1024 + workBytes(rows) + tileBytes(rows);
  for (Operation *op : prologue)
    for (Value result : op->getResults()) {
      auto type = cast<RankedTensorType>(result.getType());
      bytes += step::getRowBytes(rows, ShapedType::getNumElements(type.getShape().drop_front()),
                                 type.getElementType());
    }
  return bytes;
}

bool ColumnPhase::allLinears(llvm::function_ref<bool(ir::LinearOp)> holds) const {
  return llvm::all_of(segments,
                      [&](const Segment &segment) { return llvm::all_of(segment.linears, holds); });
}

/// Warpgroups take four panels at a time where there are rows enough to share them; and the last
/// sums of a tile then lie where its copies came to.
void ColumnPhase::widenTiles() {
  constexpr int64_t wide = MostWarpgroupPanels * PanelRows;
  auto isWarpgroup = [&](ir::LinearOp linear) { return isWarpgroupProduct(c, linear); };
  if (!prologue.empty() || c.maxRows() <= MostRows || !allLinears(isWarpgroup))
    return;
  sumsInWork = true;
  for (Segment &segment : segments) {
    // The norms of heads are of whole tiles.
    int64_t columns = wide / segment.tileColumns * segment.tileColumns;
    if (columns != 0 && (segment.headNorms.empty() || segment.outputs % columns == 0))
      segment.tileColumns = columns;
    sumsInWork &= segment.tileColumns <= panelsAtATime(segment) * PanelRows;
  }
}

LogicalResult ColumnPhase::chooseChunk() {
  int64_t most = MostRows, shared = c.target.sharedBytes();
  if (prologue.empty() && allLinears(isTensorProduct))
    most = allLinears([&](ir::LinearOp linear) { return isWarpgroupProduct(c, linear); })
               ? MostWarpgroupRows
               : MostTensorRows;
  c.chunk = std::min(c.maxRows(), most);
  while (c.chunk > 1 && chunkBytes(c.chunk) > shared)
    c.chunk /= 2;
  if (chunkBytes(c.chunk) <= shared)
    return success();
  return c.phase.emitError() << "a row takes " << chunkBytes(1)
                             << " bytes of shared memory, kernels for GPUs use at most " << shared;
}

void ColumnPhase::allocate() {
  work = c.allocateShared(workBytes(c.chunk));
  size_t linears = 0, norms = 0;
  int64_t columns = 0, heads = 0;
  for (const Segment &segment : segments) {
    linears = std::max(linears, segment.linears.size());
    norms = std::max(norms, segment.headNorms.size());
    columns = std::max(columns, segment.tileColumns);
    heads = std::max(heads, headsOf(segment));
  }
  for (size_t i = 0; i < linears; ++i)
    products.push_back(sumsInWork && i + 1 == linears ? k.at(work, PanelsBarrierBytes)
                                                      : c.allocateShared(c.chunk * columns * 4));
  for (size_t i = 0; i < norms; ++i)
    factors.push_back(c.allocateShared(c.chunk * heads * 4));
}

LogicalResult ColumnPhase::emit() {
  FailureOr<SmallVector<Segment>> found = findSegments(c.phase);
  if (failed(found))
    return failure();
  segments = std::move(*found);
  prologue = step::getPrologue(c.phase);
  widenTiles();
  if (failed(chooseChunk()))
    return failure();
  allocate();
  if (!prologue.empty())
    return emitChunks();
  emitItems();
  return success();
}

/// All blocks compute what stands in front, chunk by chunk, and share the tiles.
LogicalResult ColumnPhase::emitChunks() {
  LogicalResult result = success();
  k.forLoop(k.constant(0), c.rowCount(), c.chunk, [&](Value first) {
    firstRow = first;
    rows = k.min(k.constant(c.chunk), k.sub(c.rowCount(), first));
    result = emitGpuRows(c, prologue, firstRow, rows);
    int64_t tiles = 0;
    for (const Segment &segment : segments) {
      c.forBlocks(k.constant(tiles), k.constant(segment.tiles()),
                  [&](Value tile) { emitTile(segment, tile); });
      tiles += segment.tiles();
    }
    // The rows of the next chunk take the place of these.
    k.barrier();
  });
  return result;
}

/// The blocks share tiles and chunks.  Those that are side by side have the same tile, and
/// read its weights from a cache.
void ColumnPhase::emitItems() {
  Value chunks = k.ceilDiv(c.rowCount(), k.constant(c.chunk));
  int64_t tiles = 0;
  for (const Segment &segment : segments) {
    c.forBlocks(k.mul(chunks, tiles), k.mul(chunks, segment.tiles()), [&](Value item) {
      firstRow = k.mul(k.remainder(item, chunks), c.chunk);
      rows = k.min(k.constant(c.chunk), k.sub(c.rowCount(), firstRow));
      emitTile(segment, k.div(item, chunks));
    });
    tiles += segment.tiles();
  }
}

void ColumnPhase::emitTile(const Segment &segment, Value tile) {
  Value firstColumn = k.mul(tile, segment.tileColumns);
  for (unsigned index = 0; index < segment.linears.size(); ++index)
    emitPanels(segment, index, tile);
  emitNorms(segment, firstColumn);
  emitEpilogue(segment, firstColumn);
  // The next tile takes the place of this one.
  k.barrier();
}

void ColumnPhase::emitPanels(const Segment &segment, unsigned index, Value tile) {
  ir::LinearOp linear = segment.linears[index];
  auto type = cast<RankedTensorType>(linear.getWeight().getType());
  int64_t panelsPerTile = segment.tileColumns / PanelRows;
  int64_t panelBytes =
      packedPanelBytes(*ir::getBlockFormat(type.getElementType()), type.getDimSize(1));
  Value firstPanel = k.mul(tile, panelsPerTile), weights = c.weightPointer(linear.getWeight());
  // A last tile that is not full has no memory behind its last panel.
  Value allPanels = k.constant(llvm::divideCeil(segment.outputs, PanelRows));
  Value panels = k.min(k.constant(panelsPerTile), k.sub(allPanels, firstPanel));
  bool isWarpgroup = isWarpgroupProduct(c, linear);
  int64_t most = isWarpgroup ? panelsAtATime(segment) : 1, rowBytes = segment.tileColumns * 4;
  k.forLoop(k.constant(0), panels, most, [&](Value panel) {
    Value own = k.at(weights, k.mul(k.add(firstPanel, panel), panelBytes));
    Value sums = k.at(products[index], k.mul(panel, PanelRows * 4));
    if (!isWarpgroup)
      return emitPanel(linear, own, sums, rowBytes);
    Value count = k.min(k.constant(most), k.sub(panels, panel));
    emitWarpgroupPanels(c, linear, {own, count, most, firstRow, rows, work, sums, rowBytes});
  });
}

void ColumnPhase::emitPanel(ir::LinearOp linear, Value weights, Value sums, int64_t sumsRowBytes) {
  GpuPanel place{weights, firstRow, rows, work, warpBytes(c.chunk)};
  emitGpuPanel(c, linear, place);
  k.barrier();
  emitGpuPanelSums(c, place, sums, sumsRowBytes);
  k.barrier();
}

GpuTile ColumnPhase::tileOf(const Segment &segment, Value firstColumn, Value local) {
  GpuTile tile;
  tile.firstColumn = firstColumn;
  for (auto [linear, memory] : llvm::zip(segment.linears, products))
    tile.products[linear] = k.at(memory, k.mul(local, segment.tileColumns * 4));
  for (auto [norm, memory] : llvm::zip(segment.headNorms, factors))
    tile.norms[norm] = k.at(memory, k.mul(local, headsOf(segment) * 4));
  return tile;
}

/// A warp takes one head of one row.  Each norm may need those before it.
void ColumnPhase::emitNorms(const Segment &segment, Value firstColumn) {
  int64_t heads = headsOf(segment), dim = segment.headColumns;
  for (ir::RMSNormOp norm : segment.headNorms) {
    k.forLoop(c.warp, k.mul(rows, heads), BlockWarps, [&](Value item) {
      Value local = k.div(item, heads), head = k.rem(item, heads);
      GpuRow row{k.add(firstRow, local), local};
      Value base = k.add(firstColumn, k.mul(head, dim));
      Value squares = k.forLoop(c.lane, k.constant(dim), WarpThreads, {k.floatConstant(0.0f)},
                                [&](Value i, ValueRange sum) -> SmallVector<Value> {
                                  GpuTile tile = tileOf(segment, firstColumn, local);
                                  GpuElements own(c, row, &tile);
                                  Value x = own.get(norm.getInput(), k.add(base, i));
                                  return {k.fma(x, x, sum[0])};
                                })[0];
      squares = k.warpReduce(squares, [&](Value a, Value b) { return k.addf(a, b); });
      Value factor = k.extract(emitInverseRMS(k, k.broadcast(squares, 1),
                                              k.floatConstant(static_cast<float>(dim)),
                                              k.floatConstant(norm.getEps().convertToFloat())),
                               0);
      Value place = k.at(tileOf(segment, firstColumn, local).norms.lookup(norm), k.mul(head, 4));
      k.ifThen(k.equal(c.lane, k.constant(0)), [&] { k.storeWide(factor, place, 4); });
    });
    k.barrier();
  }
}

void ColumnPhase::emitEpilogue(const Segment &segment, Value firstColumn) {
  // Columns past the last output are not there.
  Value columns =
      k.min(k.constant(segment.tileColumns), k.sub(k.constant(segment.outputs), firstColumn));
  c.forThreads(k.mul(rows, columns), [&](Value item) {
    Value local = k.div(item, columns);
    Value column = k.add(firstColumn, k.remainder(item, columns));
    GpuRow row{k.add(firstRow, local), local};
    GpuTile tile = tileOf(segment, firstColumn, local);
    GpuElements own(c, row, &tile);
    for (step::StoreOp store : segment.stores) {
      if (auto append = store.getValue().getDefiningOp<ir::KVAppendOp>()) {
        emitGpuCacheWrite(own, append, column);
        continue;
      }
      GpuRows to = c.rowsOfBuffer(store.getDestination());
      Value pointer = k.at(to.data, k.mul(row.number, to.rowBytes));
      k.storeWide(own.get(store.getValue(), column), k.at(pointer, k.mul(column, 4)), 4);
    }
  });
}

static const GpuPhaseEmitterRegistration columns({
    [](step::PhaseOp phase) { return phase.getAxis() == step::Axis::Columns; },
    [](GpuContext &context) { return ColumnPhase(context).emit(); },
});
