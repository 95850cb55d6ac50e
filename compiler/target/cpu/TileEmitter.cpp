//===- TileEmitter.cpp - Register tiles of a contraction -------------------===//

#include "compiler/target/cpu/TileEmitter.h"

#include <functional>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static const WeightFormat &formatOf(RankedTensorType type) {
  const WeightFormat *format =
      findWeightFormat(StringRef(ir::getBlockFormat(type.getElementType())->Name));
  assert(format && "checked before emission");
  return *format;
}

static int64_t panelSteps(RankedTensorType type) {
  int64_t step = formatOf(type).stepElements();
  return (type.getDimSize(1) + step - 1) / step;
}

/// Packed matrices of experts are one, so that panels follow each other.
static RankedTensorType typeOf(Value weight) {
  return ir::getMatrixType(cast<RankedTensorType>(weight.getType()));
}

const WeightFormat &lathe::compiler::formatOf(Value weight) { return ::formatOf(typeOf(weight)); }

int64_t lathe::compiler::panelSteps(Value weight) { return ::panelSteps(typeOf(weight)); }

PanelPointers lathe::compiler::emitPanelPointers(KernelBuilder &k, Value matrix,
                                                 RankedTensorType type, Value number) {
  const WeightFormat &format = ::formatOf(type);
  int64_t steps = ::panelSteps(type), bytes = format.panelBytes(steps);
  Value panel = k.at(matrix, k.mul(number, bytes));
  if (!format.tailBytes())
    return {panel, {}};
  int64_t panels = (type.getDimSize(0) + PanelRows - 1) / PanelRows;
  Value tails = k.at(matrix, k.constant(panels * bytes));
  return {panel, k.at(tails, k.mul(number, steps * format.tailBytes()))};
}

TileKind TileKind::get(Value input, Value weight, int64_t rows, bool coarse) {
  RankedTensorType type = typeOf(weight);
  const WeightFormat &format = ::formatOf(type);
  return {&format,
          StringRef(ir::getBlockFormat(type.getElementType())->Name),
          cast<RankedTensorType>(input.getType()).getElementType(),
          rows,
          type.getDimSize(1) % format.stepElements(),
          coarse,
          format.tailBytes() ? ::panelSteps(type) : 0};
}

std::string TileKind::name() const {
  StringRef inputName = input.isF32()    ? "f32"
                        : input.isBF16() ? "bf16"
                        : isInt16()      ? "q16_act"
                        : isBytes()      ? "u8_act"
                                         : "q8_act";
  std::string name =
      ("tile." + formatName + "." + inputName + (rows == 1 ? ".row" : ".rows")).str();
  if (rows > 1)
    name += std::to_string(rows);
  if (coarse)
    name += ".coarse";
  if (steps)
    name += "." + std::to_string(steps);
  return rest ? name + ".rest" + std::to_string(rest) : name;
}

TileArguments TileArguments::get(ValueRange a) {
  return {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13]};
}

SmallVector<Value> TileArguments::list() const {
  return {panel,  tail, wholeSteps, rows,        data,        rowStride, blockStride,
          scales, sums, scaledSums, scaleStride, destination, stride,    lows};
}

/// Asks for a share of the next panel, one of as many as there are steps in all passes.
static void prefetchNextPanel(KernelBuilder &k, const WeightFormat &format,
                              const PanelPointers &panel, Value steps, Value index,
                              PanelPass pass) {
  Value passes = k.constant(pass.count);
  if (pass.number)
    passes = k.add(passes, pass.number);
  Value share = k.add(k.mul(steps, passes), index);
  auto ask = [&](Value start, int64_t front, int64_t bytes) {
    int64_t own = bytes / pass.count;
    k.prefetch(k.at(start, k.add(k.mul(share, own), front)), own);
  };
  ask(panel.panel, format.frontBytes(), format.stepBytes());
  if (panel.tail)
    ask(panel.tail, 0, format.tailBytes());
}

SmallVector<Value> lathe::compiler::forPanelSteps(KernelBuilder &k, const CpuTarget &target,
                                                  const WeightFormat &format,
                                                  const PanelPointers &panel,
                                                  const StepRange &steps, ValueRange inits,
                                                  PanelBody body, PanelPass pass) {
  auto block = [&](Value place, Value index, const PanelPlace &ofStep, ValueRange carried) {
    bool hasTail = format.tailBytes() != 0;
    if (target.prefetchBytes > 0 && hasTail)
      prefetchNextPanel(k, format, panel, steps.all, index, pass);
    else if (target.prefetchBytes > 0)
      k.prefetch(k.at(place, target.prefetchBytes), format.blockBytes());
    PanelPlace found = ofStep;
    found.block = {place, {}, {}, panel.panel, panel.tail, steps.all, index};
    return body(found, index, carried);
  };
  return k.forLoop(steps.first, steps.last, 1, inits, [&](Value index, ValueRange carried) {
    Value step = k.at(panel.panel, k.mul(index, format.stepBytes()));
    SmallVector<SmallVector<Value>> headers;
    if (pass.number)
      headers.push_back(format.header(k, step, pass.number));
    else
      for (int64_t group = 0; group < PanelGroups; ++group)
        headers.push_back(format.header(k, step, k.constant(group)));
    PanelPlace place{{}, headers};
    if (format.stepBlocks() == 1)
      return block(step, index, place, carried);
    Value places = k.at(step, format.headerBytes()), first = k.mul(index, format.stepBlocks());
    return k.forLoop(k.constant(0), k.constant(format.stepBlocks()), 1, carried,
                     [&](Value number, ValueRange inner) {
                       return block(k.at(places, k.mul(number, format.blockBytes())),
                                    k.add(first, number), place, inner);
                     });
  });
}

void lathe::compiler::forGroups(KernelBuilder &k, const WeightFormat &format,
                                const PanelPlace &place,
                                llvm::function_ref<void(const PanelBlock &)> body) {
  if (format.tailBytes() == 0) {
    for (int64_t group = 0; group < PanelGroups; ++group)
      body(place.group(k, group));
    return;
  }
  k.forLoop(k.constant(0), k.constant(PanelGroups), 1, [&](Value group) {
    PanelBlock own = place.block;
    own.group = group;
    body(own);
  });
}

/// Of `rows` rows, whatever the operands say, or of all of theirs when that is 0.
static void emitCallOf(PhaseContext &c, Value inputLike, Value weight, const TileOperands &operands,
                       int64_t rows) {
  KernelBuilder &k = c.k;
  TileKind kind = TileKind::get(inputLike, weight, rows, operands.coarse);
  const Rows &input = operands.input;
  Value none = LLVM::ZeroOp::create(k.builder(), k.getLoc(), k.ptr());
  Value scaleOffset = k.mul(operands.firstRow, 4);
  TileArguments arguments{
      .panel = operands.panel.panel,
      .tail = operands.panel.tail ? operands.panel.tail : none,
      .wholeSteps = operands.inputs ? k.div(operands.inputs, kind.format->stepElements())
                                    : k.constant(panelSteps(weight) - (kind.rest ? 1 : 0)),
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
      .lows = input.lows ? k.at(input.lows, scaleOffset) : none,
  };
  c.callShared(kind.name(), arguments.list(), [&](KernelBuilder &inside, ValueRange values) {
    auto emit = kind.isInt8()    ? emitInt8Tile
                : kind.isInt16() ? emitInt16Tile
                : kind.isBytes() ? emitByteTile
                                 : emitFloatTile;
    TileArguments own = TileArguments::get(values);
    if (kind.steps)
      own.wholeSteps = inside.constant(kind.steps);
    emit(inside, kind, c.target, own);
  });
}

/// A few rows that are all there is unpack weights on the way, as one row does, where their
/// sums fit into registers.  Rows that are computed beside them change nothing: there is
/// room for them.
void lathe::compiler::emitTileCall(PhaseContext &c, Value inputLike, Value weight,
                                   const TileOperands &operands) {
  if (!operands.manyRows)
    return emitCallOf(c, inputLike, weight, operands, 1);
  bool few = operands.mostRows == MostFewRows && c.target.vectorBits == 512 &&
             TileKind::get(inputLike, weight, 0, false).isInt8();
  if (!few || operands.coarse)
    return emitCallOf(c, inputLike, weight, operands, 0);
  KernelBuilder &k = c.k;
  std::function<void(int64_t)> emit = [&](int64_t rows) {
    if (rows == MostFewRows)
      return emitCallOf(c, inputLike, weight, operands, rows);
    k.ifThenElse(
        k.less(k.constant(rows), operands.rows), [&] { emit(2 * rows); },
        [&] { emitCallOf(c, inputLike, weight, operands, rows); });
  };
  emit(2);
}
