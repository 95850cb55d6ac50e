//===- GpuWarpgroupTiles.cpp - Products of rows and panels (wgmma) ---------===//
//
// The weights are the A of wgmma, which comes from registers, as in GpuTensorTiles.cpp: a
// warp has 16 of the 64 rows of A, and with four panels its own panel, in two products.  With
// fewer panels it has half of one, or, beside a single panel, nothing.  The rows of the step
// are the columns of B, in shared memory: GpuRows lays them out for it.
//
// Weights, and rows that lie in global memory, come by bulk copies through a ring of stages,
// which belongs to the warpgroup.  Its first thread starts them: panels and blocks of rows are
// contiguous, so a stage is a handful of copies, and no map of a tensor is needed.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/nvptx/GpuWarpgroupTiles.h"

#include "compiler/target/nvptx/GpuAsync.h"
#include "compiler/target/nvptx/GpuTensorWeights.h"
#include "compiler/target/nvptx/GpuTiles.h"
#include "compiler/target/nvptx/NvptxTarget.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr int64_t Warpgroups = BlockWarps / WarpgroupWarps;

/// k of a product, and of a block of rows.
static constexpr int64_t Depth = 16, BlockDepth = 8;

namespace {

/// What a stage holds: a step of k of the panels and of the rows.
struct PanelsStage {
  PanelsStage(ir::LinearOp linear, int64_t chunk, int64_t panels, bool sharedInput);

  GpuFormat format;
  bool staged;         ///< Rows come through it.
  int64_t elements;    ///< k.
  int64_t columns;     ///< Of B: rows of the chunk, in whole tiles.
  int64_t weightBytes; ///< Of a panel, with the header of a super-block.
  int64_t weightsOffset, bytes;

  int64_t blockBytes() const { return columns * ColumnBytes; }
};

} // namespace

PanelsStage::PanelsStage(ir::LinearOp linear, int64_t chunk, int64_t panels, bool sharedInput)
    : format(gpuFormatOf(linear.getWeight())), staged(!sharedInput),
      columns(llvm::alignTo(chunk, TileColumns)) {
  constexpr int64_t wide = 32;
  elements = ir::dimOf(linear.getWeight(), 1) % wide == 0 ? wide : Depth;
  weightBytes = format.integer ? format.integer->headerBytes() + format.integer->blockBytes()
                               : elements * PanelRows * format.floats->bytes();
  weightsOffset = staged ? elements / BlockDepth * blockBytes() : 0;
  bytes = weightsOffset + panels * weightBytes;
}

/// As many as hide the latency of a GPU's memory: 64 KB on their way for a block where weights
/// come alone.
static int64_t countStages(const PanelsStage &stage) {
  constexpr int64_t most = 16, least = 2, ringBytes = 64 * 1024;
  static_assert(Warpgroups * 2 * most * MbarrierBytes <= PanelsBarrierBytes);
  return std::clamp(ringBytes / stage.bytes, least, most);
}

namespace {

class PanelsProduct {
public:
  PanelsProduct(GpuContext &context, ir::LinearOp linear, const GpuPanels &panels);

  void emit();

private:
  using Values = SmallVector<Value>;

  // The ring.
  Value fullBarrier(Value slot) { return k.at(barriers, k.mul(slot, MbarrierBytes)); }
  Value emptyBarrier(Value slot) {
    return k.at(k.at(barriers, stages * MbarrierBytes), k.mul(slot, MbarrierBytes));
  }
  Value placeOf(Value slot) { return k.at(ring, k.mul(slot, stage.bytes)); }
  void forBarriers(llvm::function_ref<void(Value full, Value empty)> body);
  void emitCopies(Value number, Value slot);
  void copyRows(Value number, Value place, Value barrier);
  void copyPanel(int64_t panel, Value number, Value place, Value barrier);
  void emitRefill(Value number, Value slot, Value parity);

  // Products.
  Values emitWords(Value place);
  Values emitStep(Value number, Value slot, ValueRange sums);
  Values emitSteps();
  void storeSums(ArrayRef<Value> sums, bool addsOthers);

  GpuContext &c;
  GpuBuilder &k;
  const GpuPanels &panels;
  const GpuRows input;
  const PanelsStage stage;
  const int64_t stages, steps, panelBytes;
  const int64_t laneRows;       ///< Of its panel, that a lane has: LaneRows, or half of them.
  const int64_t pairs;          ///< Products with other rows of the panel.
  Value group, member, inGroup; ///< Of the lane; of the warp in its warpgroup.
  Value warpgroup, isLeader;    ///< Of the thread.
  Value panel, firstOfPanel;    ///< That the warp has, and the lane's first row.
  Value barriers, ring;         ///< Of the warpgroup.
  Value first, last;            ///< Steps of the warpgroup.
};

} // namespace

static int64_t panelBytesOf(ir::LinearOp linear) {
  auto type = cast<RankedTensorType>(linear.getWeight().getType());
  return packedPanelBytes(*ir::getBlockFormat(type.getElementType()), type.getDimSize(1));
}

PanelsProduct::PanelsProduct(GpuContext &context, ir::LinearOp linear, const GpuPanels &panels)
    : c(context), k(context.k), panels(panels), input(context.rowsOf(linear.getInput())),
      stage(linear, context.chunk, panels.most, input.isShared), stages(countStages(stage)),
      steps(llvm::divideCeil(ir::dimOf(linear.getWeight(), 1), stage.elements)),
      panelBytes(panelBytesOf(linear)),
      laneRows(panels.most == MostWarpgroupPanels ? LaneRows : LaneRows / 2), pairs(laneRows / 2) {
  group = k.div(c.lane, 4);
  member = k.rem(c.lane, 4);
  inGroup = k.rem(c.warp, WarpgroupWarps);
  warpgroup = k.div(c.warp, WarpgroupWarps);
  isLeader = k.equal(k.rem(c.thread, WarpgroupThreads), k.constant(0));
  firstOfPanel = k.mul(group, laneRows);
  panel = inGroup;
  if (pairs == 1) {
    panel = k.div(inGroup, 2);
    firstOfPanel = k.add(firstOfPanel, k.mul(k.rem(inGroup, 2), PanelRows / 2));
  }
  barriers = k.at(panels.work, k.mul(warpgroup, 2 * stages * MbarrierBytes));
  ring = k.at(k.at(panels.work, PanelsBarrierBytes), k.mul(warpgroup, stages * stage.bytes));
  auto startOf = [&](Value number) { return k.div(k.mul(number, steps), Warpgroups); };
  first = startOf(warpgroup);
  last = startOf(k.add(warpgroup, 1));
}

//===----------------------------------------------------------------------===//
// The ring
//===----------------------------------------------------------------------===//

/// A thread has those of one slot.
void PanelsProduct::forBarriers(llvm::function_ref<void(Value full, Value empty)> body) {
  Value slot = k.rem(c.thread, WarpgroupThreads);
  k.ifThen(k.less(slot, k.constant(stages)), [&] { body(fullBarrier(slot), emptyBarrier(slot)); });
}

/// Of a block of 8 k, the rows of a chunk lie one behind the other.
void PanelsProduct::copyRows(Value number, Value place, Value barrier) {
  Value from = k.at(input.data, k.mul(panels.firstRow, input.rowBytes));
  Value bytes = k.mul(panels.rows, ColumnBytes);
  int64_t blocks = stage.elements / BlockDepth;
  for (int64_t block = 0; block < blocks; ++block) {
    Value source = k.mul(k.add(k.mul(number, blocks), block), input.blockBytes);
    emitBulkCopy(k, k.at(place, block * stage.blockBytes()), barrier, k.at(from, source), bytes);
  }
}

/// Panels that are not there are the last one again; nobody reads their sums.
void PanelsProduct::copyPanel(int64_t panel, Value number, Value place, Value barrier) {
  Value own = k.min(k.constant(panel), k.add(panels.count, -1));
  Value from = k.at(panels.weights, k.mul(own, panelBytes));
  Value to = k.at(place, stage.weightsOffset + panel * stage.weightBytes);
  if (!stage.format.integer) {
    emitBulkCopy(k, to, barrier, k.at(from, k.mul(number, stage.weightBytes)),
                 k.constant(stage.weightBytes));
    return;
  }
  const GpuIntegerFormat &format = *stage.format.integer;
  GpuBlock block = emitGpuBlock(k, format, from, number, {}, 0);
  int64_t header = format.headerBytes();
  if (header != 0)
    emitBulkCopy(k, to, barrier, block.header, k.constant(header));
  emitBulkCopy(k, k.at(to, header), barrier, block.block, k.constant(format.blockBytes()));
}

/// By the leader: the barrier is told of all bytes ahead of the first.
void PanelsProduct::emitCopies(Value number, Value slot) {
  Value place = placeOf(slot), barrier = fullBarrier(slot);
  Value bytes = k.constant(panels.most * stage.weightBytes);
  if (stage.staged)
    bytes = k.add(bytes, k.mul(panels.rows, stage.elements / BlockDepth * ColumnBytes));
  emitArriveAndExpect(k, barrier, bytes);
  if (stage.staged)
    copyRows(number, place, barrier);
  for (int64_t panel = 0; panel < panels.most; ++panel)
    copyPanel(panel, number, place, barrier);
}

/// The stage ahead of `number`'s is done, and its slot gets the step that is a ring behind.
void PanelsProduct::emitRefill(Value number, Value slot, Value parity) {
  Value isFirst = k.equal(slot, k.constant(0));
  Value before = k.select(isFirst, k.constant(stages - 1), k.add(slot, -1));
  Value itsParity = k.select(isFirst, k.sub(k.constant(1), parity), parity);
  Value next = k.add(number, stages - 1);
  // All lanes have read what they wanted of it.
  k.warpBarrier();
  k.ifThen(k.less(first, number), [&] {
    k.ifThen(k.equal(c.lane, k.constant(0)), [&] { emitArrive(k, emptyBarrier(before)); });
    k.ifThen(k.both(isLeader, k.less(next, last)), [&] {
      emitWaitFor(k, emptyBarrier(before), itsParity);
      emitCopies(next, before);
    });
  });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// The words of A of all products of a step: first those of the first 16 k.
PanelsProduct::Values PanelsProduct::emitWords(Value place) {
  auto load = [&]() -> Values {
    int64_t header = stage.format.integer ? stage.format.integer->headerBytes() : 0;
    Value packed = k.at(k.at(place, stage.weightsOffset), k.mul(panel, stage.weightBytes));
    GpuBlock block{packed, k.at(packed, header), firstOfPanel, laneRows, /*isConstant=*/false};
    Values words;
    for (const TensorProduct &product :
         emitBF16Weights(k, stage.format, block, member, stage.elements).products)
      for (ArrayRef<Value> own : product.words)
        llvm::append_range(words, own);
    return words;
  };
  if (panels.most > 1)
    return load();
  // The other half of the warps has no rows of the panel.
  OpBuilder &b = k.builder();
  auto branch = scf::IfOp::create(
      b, k.getLoc(), k.equal(panel, k.constant(0)),
      [&](OpBuilder &inner, Location loc) { scf::YieldOp::create(inner, loc, load()); },
      [&](OpBuilder &inner, Location loc) {
        int64_t parts = stage.format.floats && stage.format.floats->isPairs() ? 1 : 2;
        Values none(4 * pairs * parts * stage.elements / Depth, k.integer(0));
        scf::YieldOp::create(inner, loc, none);
      });
  return branch.getResults();
}

PanelsProduct::Values PanelsProduct::emitStep(Value number, Value slot, ValueRange sums) {
  constexpr int64_t words = 4;
  Value place = placeOf(slot);
  Values a = emitWords(place);
  int64_t perHalf = a.size() / (stage.elements / Depth), count = sums.size() / pairs;
  // A block of shared rows holds those of the chunk, and columns beyond them meet what follows.
  int64_t blockBytes = stage.staged ? stage.blockBytes() : input.blockBytes;
  Value start = place;
  if (!stage.staged)
    start = k.at(input.data, k.mul(number, stage.elements / BlockDepth * blockBytes));
  emitProductFence(k);
  SmallVector<GpuSums> own;
  for (int64_t pair = 0; pair < pairs; ++pair)
    own.emplace_back(sums.slice(pair * count, count));
  for (int64_t index = 0; index < static_cast<int64_t>(a.size()); index += words) {
    int64_t half = index / perHalf, pair = index / words % pairs;
    GpuColumnsOperand columns{k.at(start, half * (Depth / BlockDepth) * blockBytes), blockBytes};
    own[pair] = emitWarpgroupProduct(k, ArrayRef(a).slice(index, words), columns, own[pair]);
  }
  emitCloseProducts(k);
  Values all;
  for (const GpuSums &each : own)
    llvm::append_range(all, each);
  return all;
}

PanelsProduct::Values PanelsProduct::emitSteps() {
  k.ifThen(isLeader, [&] {
    k.forLoop(k.constant(0), k.min(k.constant(stages), k.sub(last, first)), 1,
              [&](Value slot) { emitCopies(k.add(first, slot), slot); });
  });
  Values carried(pairs * stage.columns / 2, k.floatConstant(0.0f));
  carried.append({k.constant(0), k.constant(0)});
  carried = k.forLoop(first, last, 1, carried, [&](Value number, ValueRange before) -> Values {
    Value slot = before[before.size() - 2], parity = before.back();
    emitWaitFor(k, fullBarrier(slot), parity);
    Values next = emitStep(number, slot, before.drop_back(2));
    // Those of the stage before are done.
    emitWaitForProducts(k, 1);
    emitRefill(number, slot, parity);
    Value isLast = k.equal(slot, k.constant(stages - 1));
    next.push_back(k.select(isLast, k.constant(0), k.add(slot, 1)));
    next.push_back(k.select(isLast, k.sub(k.constant(1), parity), parity));
    return next;
  });
  return emitFinishedSums(k, ArrayRef(carried).drop_back(2));
}

/// Of a lane: rows 2 * member and the next of each tile, and its rows of the panel.
void PanelsProduct::storeSums(ArrayRef<Value> sums, bool addsOthers) {
  int64_t count = static_cast<int64_t>(sums.size()) / pairs;
  Value column = k.mul(k.add(k.mul(panel, PanelRows), firstOfPanel), 4);
  Value to = k.at(panels.sums, column);
  k.ifThen(k.less(panel, panels.count), [&] {
    for (int64_t index = 0; index < stage.columns / 4; ++index) {
      int64_t tile = index / 2, odd = index % 2;
      Value row = k.add(k.mul(member, 2), tile * TileColumns + odd);
      k.ifThen(k.less(row, panels.rows), [&] {
        Values own;
        for (int64_t pair = 0; pair < pairs; ++pair)
          for (int64_t upper : {0, 2})
            own.push_back(sums[pair * count + 4 * tile + upper + odd]);
        Value x =
            vector::FromElementsOp::create(k.builder(), k.getLoc(), k.vec(k.f32(), laneRows), own);
        Value place = k.at(to, k.mul(row, panels.sumsRowBytes));
        if (addsOthers)
          x = k.addf(x, k.loadWide(x.getType(), place, laneRows * 4));
        k.storeWide(x, place, laneRows * 4);
      });
    }
  });
}

void PanelsProduct::emit() {
  forBarriers([&](Value full, Value empty) {
    emitInitBarrier(k, full, 1);
    emitInitBarrier(k, empty, WarpgroupWarps);
  });
  // Of the barriers, and of rows and sums that threads wrote where copies come to.
  emitProxyFence(k);
  k.barrier();
  Values sums = emitSteps();
  k.barrier();
  forBarriers([&](Value full, Value empty) {
    emitEndBarrier(k, full);
    emitEndBarrier(k, empty);
  });
  k.ifThen(k.equal(warpgroup, k.constant(1)), [&] { storeSums(sums, /*addsOthers=*/false); });
  k.barrier();
  k.ifThen(k.equal(warpgroup, k.constant(0)), [&] { storeSums(sums, /*addsOthers=*/true); });
  k.barrier();
}

//===----------------------------------------------------------------------===//
// For the phase
//===----------------------------------------------------------------------===//

bool lathe::compiler::isWarpgroupProduct(const GpuContext &c, ir::LinearOp linear) {
  auto type = cast<RankedTensorType>(linear.getInput().getType());
  return c.target.hasWarpgroups() && type.getElementType().isBF16() && isTensorProduct(linear);
}

int64_t lathe::compiler::gpuPanelsBytes(ir::LinearOp linear, int64_t chunk, int64_t panels,
                                        bool sharedInput) {
  PanelsStage stage(linear, chunk, panels, sharedInput);
  return PanelsBarrierBytes + Warpgroups * countStages(stage) * stage.bytes;
}

void lathe::compiler::emitWarpgroupPanels(GpuContext &c, ir::LinearOp linear,
                                          const GpuPanels &panels) {
  PanelsProduct(c, linear, panels).emit();
}
