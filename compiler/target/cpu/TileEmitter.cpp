//===- TileEmitter.cpp - Register tiles of a contraction -------------------===//

#include "compiler/target/cpu/TileEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static RankedTensorType weightType(ir::LinearOp linear) {
  return cast<RankedTensorType>(linear.getWeight().getType());
}

static const WeightFormat &formatOf(ir::LinearOp linear) {
  Type element = weightType(linear).getElementType();
  const WeightFormat *format = findWeightFormat(StringRef(ir::getBlockFormat(element)->Name));
  assert(format && "checked before emission");
  return *format;
}

int64_t lathe::compiler::panelSteps(ir::LinearOp linear) {
  int64_t step = formatOf(linear).stepElements();
  return (weightType(linear).getDimSize(1) + step - 1) / step;
}

int64_t lathe::compiler::panelBytes(ir::LinearOp linear) {
  return formatOf(linear).panelBytes(panelSteps(linear));
}

TileKind TileKind::get(ir::LinearOp linear, bool manyRows) {
  RankedTensorType weight = weightType(linear);
  const WeightFormat &format = formatOf(linear);
  return {&format, StringRef(ir::getBlockFormat(weight.getElementType())->Name),
          cast<RankedTensorType>(linear.getInput().getType()).getElementType(), manyRows,
          weight.getDimSize(1) % format.stepElements()};
}

std::string TileKind::name() const {
  StringRef inputName = input.isF32() ? "f32" : input.isBF16() ? "bf16" : "q8_act";
  std::string name = ("tile." + formatName + "." + inputName + (manyRows ? ".rows" : ".row")).str();
  return rest ? name + ".rest" + std::to_string(rest) : name;
}

TileArguments TileArguments::get(ValueRange a) {
  return {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]};
}

SmallVector<Value> TileArguments::list() const {
  return {panel,  wholeSteps, rows,       data,        rowStride,   blockStride,
          scales, sums,       scaledSums, scaleStride, destination, stride};
}

SmallVector<Value> lathe::compiler::forPanelSteps(KernelBuilder &k, const CpuTarget &target,
                                                  const WeightFormat &format, Value panel,
                                                  Value steps, ValueRange inits, PanelBody body) {
  if (format.frontBytes())
    panel = k.at(panel, format.frontBytes());
  Value tails = format.tailBytes() ? k.at(panel, k.mul(steps, format.stepBytes())) : Value();
  auto prefetch = [&](Value place, int64_t bytes) {
    if (target.prefetchBytes > 0)
      k.prefetch(k.at(place, target.prefetchBytes), bytes);
  };
  auto block = [&](Value place, Value index, ArrayRef<SmallVector<Value>> headers,
                   ValueRange carried) {
    prefetch(place, format.blockBytes());
    Value tail;
    if (tails) {
      tail = k.at(tails, k.mul(index, format.tailBytes()));
      prefetch(tail, format.tailBytes());
    }
    return body(PanelPlace{place, headers, tail}, index, carried);
  };
  return k.forLoop(k.constant(0), steps, 1, inits, [&](Value index, ValueRange carried) {
    Value step = k.at(panel, k.mul(index, format.stepBytes()));
    SmallVector<SmallVector<Value>> headers;
    for (int64_t group = 0; group < PanelGroups; ++group)
      headers.push_back(format.header(k, step, group));
    if (format.stepBlocks() == 1)
      return block(step, index, headers, carried);
    Value places = k.at(step, format.headerBytes()), first = k.mul(index, format.stepBlocks());
    return k.forLoop(k.constant(0), k.constant(format.stepBlocks()), 1, carried,
                     [&](Value number, ValueRange inner) {
                       return block(k.at(places, k.mul(number, format.blockBytes())),
                                    k.add(first, number), headers, inner);
                     });
  });
}

void lathe::compiler::emitTileCall(PhaseContext &c, ir::LinearOp linear,
                                   const TileOperands &operands) {
  KernelBuilder &k = c.k;
  TileKind kind = TileKind::get(linear, operands.manyRows);
  const Rows &input = operands.input;
  Value none = LLVM::ZeroOp::create(k.builder(), k.getLoc(), k.ptr());
  Value scaleOffset = k.mul(operands.firstRow, 4);
  TileArguments arguments{
      .panel = operands.panel,
      .wholeSteps = k.constant(panelSteps(linear) - (kind.rest ? 1 : 0)),
      .rows = operands.rows,
      .data = k.at(input.data, k.mul(operands.firstRow, input.rowBytes)),
      .rowStride = k.constant(input.rowBytes),
      .blockStride = k.constant(input.blockBytes),
      .scales = input.scales ? k.at(input.scales, scaleOffset) : none,
      .sums = input.sums ? k.at(input.sums, k.mul(operands.firstRow, BlockSums::Bytes)) : none,
      .scaledSums = input.scaledSums ? k.at(input.scaledSums, scaleOffset) : none,
      .scaleStride = k.constant(input.scaleBlockBytes),
      .destination = operands.destination,
      .stride = k.constant(operands.destinationRowBytes),
  };
  c.callShared(kind.name(), arguments.list(), [&](KernelBuilder &inside, ValueRange values) {
    auto emit = kind.isInt8() ? emitInt8Tile : emitFloatTile;
    emit(inside, kind, c.target, TileArguments::get(values));
  });
}
