//===- GpuTiles.cpp - Products of rows and a panel of weights --------------===//

#include "compiler/target/nvptx/GpuTiles.h"

#include "compiler/target/nvptx/GpuFormat.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// What a lane does: LaneRows outputs of every row of the chunk.
class PanelProduct {
public:
  PanelProduct(GpuContext &context, ir::LinearOp linear, const GpuPanel &panel)
      : c(context), k(context.k), panel(panel), format(gpuFormatOf(linear.getWeight())),
        input(context.rowsOf(linear.getInput())),
        type(cast<RankedTensorType>(linear.getInput().getType()).getElementType()),
        group(k.div(c.lane, PanelLanes)), ownRow(k.mul(k.rem(c.lane, PanelLanes), LaneRows)) {
    for (int64_t row = 0; row < c.chunk; ++row) {
      // Rows that are not there are the last one again; nobody reads their sums.
      Value local = k.min(k.constant(row), k.sub(panel.rows, k.constant(1)));
      rows.push_back(input.index({k.add(panel.firstRow, local), local}));
    }
  }

  void emit();

private:
  using Sums = SmallVector<Value>;
  Sums emitFloatBlock(Value number, ValueRange sums);
  Sums emitFloats(Value number, ValueRange sums);
  Value loadInputs(Value row, Value index, int64_t count);

  GpuContext &c;
  GpuBuilder &k;
  const GpuPanel &panel;
  const GpuFormat format;
  const GpuRows input;
  Type type;
  Value group;  ///< Of eight lanes: which k they take.
  Value ownRow; ///< First of the lane's rows of the panel.
  SmallVector<Value> rows;
};

} // namespace

/// `count` neighbours of a row of the input, as f32; `index` is a multiple of `count`.
Value PanelProduct::loadInputs(Value row, Value index, int64_t count) {
  int64_t bytes = type.getIntOrFloatBitWidth() / 8;
  Value pointer = k.at(k.at(input.data, k.mul(row, input.rowBytes)), k.mul(index, bytes));
  // Rows of an odd number of elements start anywhere.
  bool aligned = input.elements % count == 0;
  Value values = k.loadWide(k.vec(type, count), pointer, aligned ? count * bytes : bytes);
  return k.extend(values);
}

PanelProduct::Sums PanelProduct::emitFloatBlock(Value number, ValueRange sums) {
  constexpr int64_t quadElements = 4, blockElements = 32;
  GpuBlock block = emitGpuBlock(k, *format.integer, panel.weights, number, ownRow, LaneRows);
  Sums next(sums);
  for (int64_t which : {0, 1}) {
    Value quad = k.add(k.mul(group, 2), which);
    Value words = format.integer->words(k, block, quad);
    Value index = k.add(k.mul(number, blockElements), k.mul(quad, quadElements));
    SmallVector<Value> inputs;
    for (Value row : rows)
      inputs.push_back(loadInputs(row, index, quadElements));
    for (int64_t byte = 0; byte < quadElements; ++byte) {
      Value weights = emitDequantized(k, *format.integer, block, words, quad, k.constant(byte));
      for (auto [x, sum] : llvm::zip_equal(inputs, next))
        sum = k.fma(weights, k.broadcast(k.extract(x, byte), LaneRows), sum);
    }
  }
  return next;
}

/// 8 k, of which a lane takes two.
PanelProduct::Sums PanelProduct::emitFloats(Value number, ValueRange sums) {
  Sums next(sums);
  for (int64_t which : {0, 1}) {
    Value index = k.add(k.add(k.mul(number, 2 * PanelRows / PanelLanes), k.mul(group, 2)), which);
    // What lies behind the last k is multiplied with nothing.
    Value last = k.constant(input.elements - 1), clamped = k.min(index, last);
    GpuBlock whole{panel.weights, panel.weights, ownRow, LaneRows};
    Value weights = format.floats->weights(k, whole, clamped);
    if (input.elements % (2 * PanelRows / PanelLanes) != 0) {
      Value isThere = k.less(index, k.constant(input.elements));
      weights = k.select(isThere, weights, k.splat(0.0f, LaneRows));
    }
    for (auto [row, sum] : llvm::zip_equal(rows, next)) {
      Value x = k.extract(loadInputs(row, clamped, 1), 0);
      sum = k.fma(weights, k.broadcast(x, LaneRows), sum);
    }
  }
  return next;
}

void PanelProduct::emit() {
  int64_t elements = format.integer ? 32 : 2 * PanelRows / PanelLanes;
  Value blocks = k.constant(llvm::divideCeil(input.elements, elements));
  SmallVector<Value> zeros(c.chunk, k.splat(0.0f, LaneRows));
  SmallVector<Value> sums =
      k.forLoop(c.warp, blocks, BlockWarps, zeros, [&](Value number, ValueRange carried) -> Sums {
        return format.integer ? emitFloatBlock(number, carried) : emitFloats(number, carried);
      });
  // The groups of lanes took different k.
  for (Value &sum : sums) {
    SmallVector<Value> own;
    for (int64_t i = 0; i < LaneRows; ++i) {
      Value x = k.extract(sum, i);
      for (int64_t mask = WarpThreads / 2; mask >= PanelLanes; mask /= 2)
        x = k.addf(x, k.shuffleXor(x, mask));
      own.push_back(x);
    }
    sum = vector::FromElementsOp::create(k.builder(), k.getLoc(), k.vec(k.f32(), LaneRows), own);
  }
  k.ifThen(k.less(c.lane, k.constant(PanelLanes)), [&] {
    Value to = k.at(k.at(panel.work, k.mul(c.warp, panel.warpBytes)), k.mul(ownRow, 4));
    for (auto [row, sum] : llvm::enumerate(sums))
      k.storeWide(sum, k.at(to, static_cast<int64_t>(row) * PartialStride), 16);
  });
}

void lathe::compiler::emitGpuPanel(GpuContext &c, ir::LinearOp linear, const GpuPanel &panel) {
  if (isTensorProduct(linear))
    emitTensorPanel(c, linear, panel);
  else
    PanelProduct(c, linear, panel).emit();
}

void lathe::compiler::emitGpuPanelSums(GpuContext &c, const GpuPanel &panel, Value to,
                                       int64_t rowBytes) {
  GpuBuilder &k = c.k;
  c.forThreads(k.mul(panel.rows, PanelRows), [&](Value item) {
    Value row = k.div(item, PanelRows), column = k.mul(k.rem(item, PanelRows), 4), sum;
    Value own = k.at(k.at(panel.work, k.mul(row, PartialStride)), column);
    for (int64_t warp = 0; warp < BlockWarps; ++warp) {
      Value part = k.loadWide(k.f32(), k.at(own, warp * panel.warpBytes), 4);
      sum = sum ? k.addf(sum, part) : part;
    }
    k.storeWide(sum, k.at(k.at(to, k.mul(row, rowBytes)), column), 4);
  });
}
