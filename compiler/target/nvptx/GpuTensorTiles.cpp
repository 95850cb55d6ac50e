//===- GpuTensorTiles.cpp - Products of rows and a panel on tensor cores ---===//
//
// A warp takes a stretch of k.  The weights of a panel are the A of mma.sync, 16 of its
// rows at a time, and the rows of the step are the columns of B, 8 at a time.  Which k
// and which row of a fragment stands for which is free where both sides agree: a lane
// has the four neighbouring rows of the panel and the quads of k that GpuFormat.h gives
// it, and reads 16 bytes at a time.
//
// Weights, and rows that lie in global memory, come through a ring of stages in shared
// memory.  It belongs to the warp, so that warps wait for their own copies alone.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/nvptx/GpuTensorWeights.h"
#include "compiler/target/nvptx/GpuTiles.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Rows of the step that a product has, and that are computed under one condition.
static constexpr int64_t TileRows = 8, GroupTiles = 4;

/// 1.5 * 2^23: a float whose last bits are an integer added to its bits.
static constexpr float Magic = 12582912.0f;

namespace {

/// What a stage holds: a step of k of the panel and of the rows.
struct StageLayout {
  StageLayout(ir::LinearOp linear, int64_t chunk, bool sharedInput);

  GpuFormat format;
  bool isInt8, staged; ///< Rows of int8; rows that come through the stage.
  int64_t elements;    ///< k.
  int64_t rows;        ///< Of the chunk, in whole tiles.
  int64_t inputBytes;  ///< Of a row.
  int64_t weightBytes; ///< With the header of a super-block.
  int64_t scalesOffset = 0, weightsOffset = 0, bytes = 0;
};

StageLayout::StageLayout(ir::LinearOp linear, int64_t chunk, bool sharedInput)
    : format(gpuFormatOf(linear.getWeight())),
      isInt8(isa<ir::QuantizedActivationType>(
          cast<RankedTensorType>(linear.getInput().getType()).getElementType())),
      staged(!sharedInput), rows(llvm::alignTo(chunk, TileRows)) {
  elements = format.integer ? 32 : 16;
  inputBytes = elements * (isInt8 ? 1 : 2);
  weightBytes = format.integer ? format.integer->headerBytes() + format.integer->blockBytes()
                               : elements * PanelRows * format.floats->bytes();
  if (staged) {
    scalesOffset = rows * inputBytes;
    weightsOffset = scalesOffset + (isInt8 ? rows * 4 : 0);
  }
  bytes = weightsOffset + weightBytes;
}

/// Stages that are copied or read at a time: as many as fit into what a warp may take.  Where
/// weights come alone, eight warps then wait for 30 KB or so, which is what hides the latency
/// of a GPU's memory.
int64_t countStages(const StageLayout &stage) {
  constexpr int64_t most = 8, least = 2, warpBytes = 9 * 1024;
  return std::clamp(warpBytes / stage.bytes, least, most);
}

/// The products of one panel, of a warp.
class TensorPanel {
public:
  TensorPanel(GpuContext &context, ir::LinearOp linear, const GpuPanel &panel)
      : c(context), k(context.k), panel(panel), input(context.rowsOf(linear.getInput())),
        stage(linear, context.chunk, input.isShared), format(stage.format),
        stages(countStages(stage)), group(k.div(c.lane, 4)), member(k.rem(c.lane, 4)),
        ring(k.at(panel.work, k.mul(c.warp, panel.warpBytes))) {
    auto type = cast<RankedTensorType>(linear.getWeight().getType());
    steps = llvm::divideCeil(type.getDimSize(1), stage.elements);
  }

  void emit();

private:
  using Values = SmallVector<Value>;
  /// Of a step: where its weights and rows are.
  struct Step {
    GpuBlock block;
    Value rows, scales;
  };

  // Copies.
  void emitCopies(Value number, Value slot);
  void copyBytes(Value to, Value from, int64_t bytes);
  void copyRows(Value to, Value number);

  // Products.
  Values emitStep(Value number, Value slot, ValueRange sums);
  Values emitTiles(const Step &step, int64_t first, ValueRange sums);
  /// Each adds to the sums of two rows of the step, 4 rows of the panel each.
  void addInt8(const Step &step, int64_t tile, Value *sums);
  void addMinimums(ArrayRef<Value> input, ArrayRef<Value> scales, Value *sums);
  void addBF16(const Step &step, int64_t tile, Value *sums);
  void storeSums(ValueRange sums);

  // Rows of the step.
  Value inputAt(const Step &step, int64_t tile, int64_t offset);
  Value loadInput(const Step &step, int64_t tile, int64_t offset, int64_t words);
  Value loadScale(const Step &step, int64_t tile, int64_t column);
  Value clampRow(Value row) { return k.min(row, k.sub(panel.rows, k.constant(1))); }
  Value globalRow(Value row) { return input.index({k.add(panel.firstRow, row), row}); }

  GpuContext &c;
  GpuBuilder &k;
  const GpuPanel &panel;
  const GpuRows input;
  const StageLayout stage;
  const GpuFormat format;
  const int64_t stages;
  Value group, member; ///< Of the lane: four lanes of a group have the same rows.
  Value ring;
  int64_t steps;
  TensorWeights weights; ///< Of the step, for all tiles.
};

} // namespace

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// A warp copies `bytes`, a multiple of 16.
void TensorPanel::copyBytes(Value to, Value from, int64_t bytes) {
  constexpr int64_t piece = 16;
  for (int64_t first = 0; first < bytes; first += WarpThreads * piece) {
    int64_t lanes = std::min(WarpThreads, (bytes - first) / piece);
    Value offset = k.add(k.mul(c.lane, piece), first);
    auto copy = [&] { k.copyAsync(k.at(to, offset), k.at(from, offset), piece); };
    if (lanes == WarpThreads)
      copy();
    else
      k.ifThen(k.less(c.lane, k.constant(lanes)), copy);
  }
}

/// Rows that are not there are the last one again; nobody reads their sums.
void TensorPanel::copyRows(Value to, Value number) {
  constexpr int64_t piece = 16;
  const int64_t perRow = stage.inputBytes / piece, all = stage.rows * perRow;
  int64_t stepBytes = stage.isInt8 ? input.blockBytes : stage.inputBytes;
  Value from = k.at(input.data, k.mul(number, stepBytes));
  k.strided(c.lane, k.constant(all), WarpThreads, [&](Value item) {
    Value row = globalRow(clampRow(k.div(item, perRow))), part = k.mul(k.rem(item, perRow), piece);
    k.copyAsync(k.at(to, k.mul(item, piece)), k.at(k.at(from, k.mul(row, input.rowBytes)), part),
                piece);
  });
  if (!stage.isInt8)
    return;
  Value scales = k.at(input.scales, k.mul(number, input.scaleBlockBytes));
  k.strided(c.lane, k.constant(stage.rows), WarpThreads, [&](Value item) {
    Value row = globalRow(clampRow(item));
    k.copyAsync(k.at(to, k.add(k.mul(item, 4), stage.scalesOffset)), k.at(scales, k.mul(row, 4)),
                4);
  });
}

void TensorPanel::emitCopies(Value number, Value slot) {
  Value place = k.at(ring, k.mul(slot, stage.bytes));
  if (stage.staged)
    copyRows(place, number);
  Value to = k.at(place, stage.weightsOffset);
  if (!format.integer) {
    copyBytes(to, k.at(panel.weights, k.mul(number, stage.weightBytes)), stage.weightBytes);
    return;
  }
  GpuBlock block = emitGpuBlock(k, *format.integer, panel.weights, number, {}, 0);
  int64_t header = format.integer->headerBytes();
  if (header != 0)
    copyBytes(to, block.header, header);
  copyBytes(k.at(to, header), block.block, format.integer->blockBytes());
}

//===----------------------------------------------------------------------===//
// Rows of the step
//===----------------------------------------------------------------------===//

/// Of the row that the lane's group stands for.
Value TensorPanel::inputAt(const Step &step, int64_t tile, int64_t offset) {
  Value row = k.add(group, tile * TileRows);
  int64_t stride = stage.staged ? stage.inputBytes : input.rowBytes;
  if (!stage.staged)
    row = globalRow(clampRow(row));
  return k.at(k.at(step.rows, k.mul(row, stride)), offset);
}

/// i32 words of the row: those at `offset` of the first member of the group, and so on.
Value TensorPanel::loadInput(const Step &step, int64_t tile, int64_t offset, int64_t words) {
  Value place = k.at(inputAt(step, tile, offset), k.mul(member, words * 4));
  return k.loadWide(k.vec(k.i32(), words), place, words * 4);
}

/// Of the rows 2 * member + column of the tile, where the lane has sums of.
Value TensorPanel::loadScale(const Step &step, int64_t tile, int64_t column) {
  Value row = k.add(k.mul(member, 2), tile * TileRows + column);
  if (!stage.staged)
    row = globalRow(clampRow(row));
  return k.loadWide(k.f32(), k.at(step.scales, k.mul(row, 4)), 4);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Sums of 4 rows of the panel, of a row of the step, from the results of both products.
static Value columnOf(GpuBuilder &k, ArrayRef<GpuBuilder::Words> results, int64_t column) {
  SmallVector<Value> own{results[0][column], results[0][2 + column], results[1][column],
                         results[1][2 + column]};
  return vector::FromElementsOp::create(k.builder(), k.getLoc(),
                                        k.vec(own.front().getType(), LaneRows), own);
}

/// The other way round: the sums that both products add to.
static SmallVector<Value> sumsOf(GpuBuilder &k, const Value *columns, int64_t pair) {
  SmallVector<Value> result;
  for (int64_t row : {0, 1})
    for (int64_t column : {0, 1})
      result.push_back(k.extract(columns[column], 2 * pair + row));
  return result;
}

static SmallVector<Value> wordsOf(GpuBuilder &k, Value vector) {
  SmallVector<Value> result;
  for (int64_t i = 0; i < cast<VectorType>(vector.getType()).getNumElements(); ++i)
    result.push_back(k.extract(vector, i));
  return result;
}

/// Sums of int32 that begin with the bits of Magic, as f32: at most 32 * 128 * 127 in size.
static Value fromMagic(GpuBuilder &k, Value integers) {
  if (auto type = dyn_cast<VectorType>(integers.getType())) {
    int64_t lanes = type.getNumElements();
    return k.subf(k.bitcast(integers, k.vec(k.f32(), lanes)), k.splat(Magic, lanes));
  }
  Value bits = arith::BitcastOp::create(k.builder(), k.getLoc(), k.f32(), integers);
  return k.subf(bits, k.floatConstant(Magic));
}

void TensorPanel::addInt8(const Step &step, int64_t tile, Value *sums) {
  SmallVector<Value> magic(4, k.integer(llvm::bit_cast<int32_t>(Magic))), rowScales, input;
  for (int64_t column : {0, 1})
    rowScales.push_back(loadScale(step, tile, column));
  for (const TensorProduct &product : weights.products) {
    int64_t words = 2 / static_cast<int64_t>(weights.products.size());
    input = wordsOf(k, loadInput(step, tile, 16 * product.half, words));
    SmallVector<GpuBuilder::Words> results;
    for (ArrayRef<Value> own : product.words)
      results.push_back(k.multiplyBytes(own, input, magic));
    for (int64_t column : {0, 1}) {
      Value scale = k.mulf(product.scales, k.broadcast(rowScales[column], LaneRows));
      sums[column] = k.fma(scale, fromMagic(k, columnOf(k, results, column)), sums[column]);
    }
  }
  if (weights.minimums)
    addMinimums(input, rowScales, sums);
}

/// Weights of a block have a minimum in common, which meets the sum of the row's integers.
void TensorPanel::addMinimums(ArrayRef<Value> input, ArrayRef<Value> rowScales, Value *sums) {
  constexpr int64_t ones = 0x01010101;
  SmallVector<Value> magic(4, k.integer(llvm::bit_cast<int32_t>(Magic))), all(4, k.integer(ones));
  GpuBuilder::Words totals = k.multiplyBytes(all, input, magic);
  for (int64_t column : {0, 1}) {
    Value total = k.mulf(rowScales[column], fromMagic(k, totals[column]));
    sums[column] = k.fma(weights.minimums, k.broadcast(total, LaneRows), sums[column]);
  }
}

void TensorPanel::addBF16(const Step &step, int64_t tile, Value *sums) {
  for (const TensorProduct &product : weights.products) {
    SmallVector<Value> input = wordsOf(k, loadInput(step, tile, 32 * product.half, 2));
    SmallVector<GpuBuilder::Words> results;
    for (auto [pair, own] : llvm::enumerate(product.words))
      results.push_back(k.multiplyBF16(own, input, sumsOf(k, sums, pair)));
    for (int64_t column : {0, 1})
      sums[column] = columnOf(k, results, column);
  }
}

TensorPanel::Values TensorPanel::emitTiles(const Step &step, int64_t first, ValueRange sums) {
  Values next(sums);
  int64_t end = std::min(first + GroupTiles, stage.rows / TileRows);
  for (int64_t tile = first; tile < end; ++tile) {
    if (stage.isInt8)
      addInt8(step, tile, &next[2 * (tile - first)]);
    else
      addBF16(step, tile, &next[2 * (tile - first)]);
  }
  return next;
}

TensorPanel::Values TensorPanel::emitStep(Value number, Value slot, ValueRange sums) {
  Value place = k.at(ring, k.mul(slot, stage.bytes)), packed = k.at(place, stage.weightsOffset);
  int64_t header = format.integer ? format.integer->headerBytes() : 0;
  Step step{{packed, k.at(packed, header), k.mul(group, LaneRows), LaneRows, false}, place, {}};
  if (!stage.staged)
    step.rows = k.at(input.data, k.mul(number, stage.isInt8 ? input.blockBytes : stage.inputBytes));
  if (stage.isInt8)
    step.scales = stage.staged ? k.at(place, stage.scalesOffset)
                               : k.at(input.scales, k.mul(number, input.scaleBlockBytes));
  weights = stage.isInt8 ? emitInt8Weights(k, *format.integer, step.block, member)
                         : emitBF16Weights(k, format, step.block, member, stage.elements);
  Values next;
  OpBuilder &b = k.builder();
  for (int64_t first = 0; first < stage.rows / TileRows; first += GroupTiles) {
    ValueRange own =
        sums.slice(2 * first, std::min<size_t>(2 * GroupTiles, sums.size() - 2 * first));
    if (first == 0) {
      llvm::append_range(next, emitTiles(step, first, own));
      continue;
    }
    // The last rows of a prompt need not fill a chunk.
    Value isThere = k.less(k.constant(first * TileRows), panel.rows);
    auto branch = scf::IfOp::create(
        b, k.getLoc(), isThere,
        [&](OpBuilder &inner, Location loc) {
          scf::YieldOp::create(inner, loc, emitTiles(step, first, own));
        },
        [&](OpBuilder &inner, Location loc) { scf::YieldOp::create(inner, loc, own); });
    llvm::append_range(next, branch.getResults());
  }
  return next;
}

void TensorPanel::storeSums(ValueRange sums) {
  Value to = k.at(ring, k.mul(group, LaneRows * 4));
  for (auto [index, sum] : llvm::enumerate(sums)) {
    int64_t tile = index / 2, column = index % 2;
    Value row = k.add(k.mul(member, 2), tile * TileRows + column);
    k.ifThen(k.less(row, panel.rows),
             [&] { k.storeWide(sum, k.at(to, k.mul(row, PartialStride)), 16); });
  }
}

void TensorPanel::emit() {
  auto startOf = [&](Value warp) { return k.div(k.mul(warp, steps), BlockWarps); };
  Value first = startOf(c.warp), last = startOf(k.add(c.warp, 1));
  auto copyIfThere = [&](Value number, Value slot) {
    k.ifThen(k.less(number, last), [&] { emitCopies(number, slot); });
    k.closeCopies();
  };
  k.forLoop(k.constant(0), k.constant(stages - 1), 1,
            [&](Value slot) { copyIfThere(k.add(first, slot), slot); });
  Values carried(2 * stage.rows / TileRows, k.splat(0.0f, LaneRows));
  carried.push_back(k.constant(0));
  carried = k.forLoop(first, last, 1, carried, [&](Value number, ValueRange before) -> Values {
    Value slot = before.back(), isLast = k.equal(slot, k.constant(stages - 1));
    // One group is closed in each round, so that the step's own is behind these.
    k.waitForCopies(stages - 2);
    k.warpBarrier();
    Value free = k.select(k.equal(slot, k.constant(0)), k.constant(stages - 1), k.add(slot, -1));
    copyIfThere(k.add(number, stages - 1), free);
    Values next = emitStep(number, slot, before.drop_back());
    next.push_back(k.select(isLast, k.constant(0), k.add(slot, 1)));
    return next;
  });
  k.waitForCopies(0);
  k.warpBarrier();
  storeSums(ArrayRef(carried).drop_back());
}

//===----------------------------------------------------------------------===//
// For the phase
//===----------------------------------------------------------------------===//

bool lathe::compiler::isTensorProduct(ir::LinearOp linear) {
  auto type = cast<RankedTensorType>(linear.getInput().getType());
  if (isa<ir::QuantizedActivationType>(type.getElementType()))
    return true;
  constexpr int64_t depth = 16;
  return type.getElementType().isBF16() && type.getDimSize(1) % depth == 0;
}

int64_t lathe::compiler::gpuPanelWarpBytes(ir::LinearOp linear, int64_t chunk, bool sharedInput) {
  int64_t sums = chunk * PartialStride;
  if (!isTensorProduct(linear))
    return sums;
  StageLayout stage(linear, chunk, sharedInput);
  return std::max<int64_t>(sums, llvm::alignTo(countStages(stage) * stage.bytes, 16));
}

void lathe::compiler::emitTensorPanel(GpuContext &c, ir::LinearOp linear, const GpuPanel &panel) {
  TensorPanel(c, linear, panel).emit();
}
