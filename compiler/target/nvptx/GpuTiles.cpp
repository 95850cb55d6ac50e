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
  Sums emitInt8Block(Value number, ValueRange sums);
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

/// 8 k of a block of 32: two quads, whose weights share bytes in most formats.
PanelProduct::Sums PanelProduct::emitInt8Block(Value number, ValueRange sums) {
  constexpr int64_t ones = 0x01010101;
  const GpuIntegerFormat &integers = *format.integer;
  GpuBlock block = emitGpuBlock(k, integers, panel.weights, number, ownRow, LaneRows);
  Value quads[] = {k.mul(group, 2), k.add(k.mul(group, 2), 1)};
  Value words[] = {integers.words(k, block, quads[0]), integers.words(k, block, quads[1])};
  Value scales = integers.scales(k, block, quads[0]), minimums = integers.minimums(k, block);
  Sums next;
  for (auto [row, sum] : llvm::zip_equal(rows, sums)) {
    Value bytes = k.at(k.at(input.data, k.mul(number, input.blockBytes)),
                       k.add(k.mul(row, 32), k.mul(group, 8)));
    Value pair = k.loadWide(k.vec(k.i32(), 2), bytes, 8);
    Value first = k.extract(pair, 0), second = k.extract(pair, 1);
    Value scale = k.loadWide(
        k.f32(), k.at(k.at(input.scales, k.mul(number, input.scaleBlockBytes)), k.mul(row, 4)), 4);
    Value total = k.dot4(k.integer(ones), second, k.dot4(k.integer(ones), first, k.integer(0)));
    Value start = k.sub(k.integer(0), k.mul(total, k.integer(integers.zero())));
    SmallVector<Value> products;
    for (int64_t own = 0; own < LaneRows; ++own)
      products.push_back(
          k.dot4(k.extract(words[1], own), second, k.dot4(k.extract(words[0], own), first, start)));
    Value all =
        vector::FromElementsOp::create(k.builder(), k.getLoc(), k.vec(k.i32(), LaneRows), products);
    Value result = k.fma(k.mulf(scales, k.broadcast(scale, LaneRows)), k.intToFloat(all), sum);
    if (minimums)
      result = k.fma(minimums, k.broadcast(k.mulf(scale, k.intToFloat(total)), LaneRows), result);
    next.push_back(result);
  }
  return next;
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
    Value weights = format.floats->weights(k, panel.weights, clamped, ownRow, LaneRows);
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
  bool isInt8 = isa<ir::QuantizedActivationType>(type);
  int64_t elements = format.integer ? 32 : 2 * PanelRows / PanelLanes;
  Value blocks = k.constant(llvm::divideCeil(input.elements, elements));
  SmallVector<Value> zeros(c.chunk, k.splat(0.0f, LaneRows));
  SmallVector<Value> sums =
      k.forLoop(c.warp, blocks, BlockWarps, zeros, [&](Value number, ValueRange carried) -> Sums {
        if (isInt8)
          return emitInt8Block(number, carried);
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
    Value warpBytes = k.mul(c.warp, c.chunk * PanelRows * 4);
    Value to = k.at(k.at(panel.partials, warpBytes), k.mul(ownRow, 4));
    for (auto [row, sum] : llvm::enumerate(sums))
      k.storeWide(sum, k.at(to, static_cast<int64_t>(row) * PanelRows * 4), 16);
  });
}

void lathe::compiler::emitGpuPanel(GpuContext &c, ir::LinearOp linear, const GpuPanel &panel) {
  PanelProduct(c, linear, panel).emit();
}

void lathe::compiler::emitGpuPanelSums(GpuContext &c, Value partials, Value to, int64_t rowBytes) {
  GpuBuilder &k = c.k;
  c.forThreads(k.constant(c.chunk * PanelRows), [&](Value item) {
    Value own = k.at(partials, k.mul(item, 4)), sum;
    for (int64_t warp = 0; warp < BlockWarps; ++warp) {
      Value part = k.loadWide(k.f32(), k.at(own, warp * c.chunk * PanelRows * 4), 4);
      sum = sum ? k.addf(sum, part) : part;
    }
    Value row = k.div(item, PanelRows), column = k.rem(item, PanelRows);
    k.storeWide(sum, k.at(k.at(to, k.mul(row, rowBytes)), k.mul(column, 4)), 4);
  });
}
