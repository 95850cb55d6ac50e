//===- TileEmitter.cpp - Register tiles of a contraction -------------------===//

#include "compiler/target/cpu/TileEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr int64_t Groups = PanelRows / Lanes;

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
  return panelSteps(linear) * formatOf(linear).stepBytes();
}

TileKind TileKind::get(ir::LinearOp linear, int64_t rowTile) {
  RankedTensorType weight = weightType(linear);
  const WeightFormat &format = formatOf(linear);
  return {&format, StringRef(ir::getBlockFormat(weight.getElementType())->Name),
          cast<RankedTensorType>(linear.getInput().getType()).getElementType(), rowTile,
          weight.getDimSize(1) % format.stepElements()};
}

std::string TileKind::name() const {
  StringRef inputName = input.isF32() ? "f32" : input.isBF16() ? "bf16" : "q8_act";
  std::string name = ("tile." + formatName + "." + inputName + "." + Twine(rowTile)).str();
  return rest ? name + ".rest" + std::to_string(rest) : name;
}

namespace {

/// Builds the body of a tile function.
class TileBuilder {
public:
  /// Arguments of a tile function, in order.
  enum Argument {
    Panel,
    WholeSteps,
    Data,
    RowBytes,
    Scales,
    Sums,
    ScaleRowBytes,
    Destination,
    DestinationRowBytes
  };

  TileBuilder(KernelBuilder &k, const TileKind &kind, const CpuTarget &target, ValueRange arguments)
      : k(k), kind(kind), format(*kind.format), target(target), arguments(arguments),
        int8(isa<ir::QuantizedActivationType>(kind.input)), bf16(kind.input.isBF16()) {}

  void emit();

private:
  using TileSums = SmallVector<Value>; ///< [rowTile][Groups] of vector<16xf32>.

  TileSums emitFloatStep(Value step, Value index, ValueRange carried, int64_t elements);
  TileSums emitPairStep(Value step, Value index, ValueRange carried);
  TileSums emitInt8Step(Value step, Value index, ValueRange carried);
  void emitInt8Group(Value step, Value index, int64_t group, TileSums &sums);
  Value loadInput(Value pointer);

  KernelBuilder &k;
  const TileKind &kind;
  const WeightFormat &format;
  const CpuTarget &target;
  ValueRange arguments;
  bool int8, bf16;
  SmallVector<Value> rowData, rowScales, rowSums;
};

} // namespace

/// One element of an f32 or bf16 row, in all lanes as f32.
Value TileBuilder::loadInput(Value pointer) {
  if (!bf16)
    return k.loadSplat(pointer);
  Value narrow = k.load(k.builder().getBF16Type(), pointer);
  return k.broadcast(arith::ExtFOp::create(k.builder(), k.getLoc(), k.f32(), narrow));
}

TileBuilder::TileSums TileBuilder::emitFloatStep(Value step, Value index, ValueRange carried,
                                                 int64_t elements) {
  TileSums sums(carried.begin(), carried.end());
  int64_t elementBytes = bf16 ? 2 : 4;
  Value offset = k.mul(index, format.stepElements() * elementBytes);
  SmallVector<Value> rows;
  for (Value data : rowData)
    rows.push_back(k.at(data, offset));
  for (int64_t group = 0; group < Groups; ++group)
    format.unpack(k, step, group, [&](int64_t element, Value weight) {
      if (element >= elements)
        return;
      for (int64_t row = 0; row < kind.rowTile; ++row) {
        Value &sum = sums[row * Groups + group];
        sum = k.fma(weight, loadInput(k.at(rows[row], element * elementBytes)), sum);
      }
    });
  return sums;
}

/// Two k at a time, where both sides are stored as pairs of bf16.
TileBuilder::TileSums TileBuilder::emitPairStep(Value step, Value index, ValueRange carried) {
  TileSums sums(carried.begin(), carried.end());
  SmallVector<Value> weights;
  for (int64_t group = 0; group < Groups; ++group)
    weights.push_back(format.pairs(k, step, group));
  Value offset = k.mul(index, 4);
  for (int64_t row = 0; row < kind.rowTile; ++row) {
    Value pair = k.broadcast(k.load(k.i32(), k.at(rowData[row], offset)));
    Value x = k.bitcast(pair, k.vec(k.builder().getBF16Type(), 2 * Lanes));
    for (int64_t group = 0; group < Groups; ++group) {
      Value &sum = sums[row * Groups + group];
      sum = target.bf16Dot(k, sum, weights[group], x);
    }
  }
  return sums;
}

/// Adds d * s * sum((q - zero) x) + m * s * sum(x) of one block to the sums of
/// one group of 16 outputs.
void TileBuilder::emitInt8Group(Value step, Value index, int64_t group, TileSums &sums) {
  const Int8Dot &dot = *target.int8Dot;
  Int8Weights weights = *format.int8Weights();
  SmallVector<Value> rowSum(kind.rowTile), rows(kind.rowTile);
  SmallVector<Int8Dot::Parts> parts(kind.rowTile);
  Value scaleOffset = k.mul(index, 4), blockOffset = k.mul(index, 32);
  for (int64_t row = 0; row < kind.rowTile; ++row) {
    rowSum[row] = k.load(k.i32(), k.at(rowSums[row], scaleOffset));
    rows[row] = k.at(rowData[row], blockOffset);
    parts[row] = dot.begin(k, weights, rowSum[row]);
  }
  format.unpackInt8(k, step, group, [&](int64_t quad, Value weight) {
    Int8Dot::Parts prepared = dot.prepare(k, weights, weight);
    for (int64_t row = 0; row < kind.rowTile; ++row)
      parts[row] = dot.step(k, weights, parts[row], prepared, k.at(rows[row], 4 * quad));
  });
  Value d = format.scale(k, step, group), m = format.minimum(k, step, group);
  for (int64_t row = 0; row < kind.rowTile; ++row) {
    Value scale = k.loadSplat(k.at(rowScales[row], scaleOffset));
    Value total = k.toFloat(dot.finish(k, weights, parts[row], rowSum[row]));
    Value &sum = sums[row * Groups + group];
    sum = k.fma(k.mulf(d, scale), total, sum);
    if (m) {
      Value rowTotal = arith::SIToFPOp::create(k.builder(), k.getLoc(), k.f32(), rowSum[row]);
      sum = k.fma(m, k.mulf(scale, k.broadcast(rowTotal)), sum);
    }
  }
}

TileBuilder::TileSums TileBuilder::emitInt8Step(Value step, Value index, ValueRange carried) {
  TileSums sums(carried.begin(), carried.end());
  for (int64_t group = 0; group < Groups; ++group)
    emitInt8Group(step, index, group, sums);
  return sums;
}

void TileBuilder::emit() {
  for (int64_t row = 0; row < kind.rowTile; ++row) {
    rowData.push_back(k.at(arguments[Data], k.mul(arguments[RowBytes], row)));
    if (!int8)
      continue;
    Value offset = k.mul(arguments[ScaleRowBytes], row);
    rowScales.push_back(k.at(arguments[Scales], offset));
    rowSums.push_back(k.at(arguments[Sums], offset));
  }
  TileSums sums(kind.rowTile * Groups, k.splat(0.0f));
  Value whole = arguments[WholeSteps];
  sums = k.forLoop(k.constant(0), whole, 1, sums, [&](Value index, ValueRange carried) -> TileSums {
    Value step = k.at(arguments[Panel], k.mul(index, format.stepBytes()));
    if (int8)
      return emitInt8Step(step, index, carried);
    return bf16 && target.bf16Dot && format.storesPairs()
               ? emitPairStep(step, index, carried)
               : emitFloatStep(step, index, carried, format.stepElements());
  });
  if (kind.rest)
    sums = emitFloatStep(k.at(arguments[Panel], k.mul(whole, format.stepBytes())), whole, sums,
                         kind.rest);
  for (int64_t row = 0; row < kind.rowTile; ++row) {
    Value destination = k.at(arguments[Destination], k.mul(arguments[DestinationRowBytes], row));
    for (int64_t group = 0; group < Groups; ++group)
      k.store(sums[row * Groups + group], k.at(destination, group * Lanes * 4));
  }
}

/// The function of that kind in the module of the phase.
static func::FuncOp getTileFunction(PhaseContext &c, const TileKind &kind) {
  auto module = c.phase->getParentOfType<ModuleOp>();
  std::string name = kind.name();
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  Type i64 = builder.getI64Type(), ptr = LLVM::LLVMPointerType::get(builder.getContext());
  auto type = builder.getFunctionType({ptr, i64, ptr, i64, ptr, ptr, i64, ptr, i64}, {});
  auto function = func::FuncOp::create(builder, module.getLoc(), name, type);
  function.setPrivate();
  builder.setInsertionPointToEnd(function.addEntryBlock());
  KernelBuilder k(builder, module.getLoc());
  TileBuilder(k, kind, c.target, function.getArguments()).emit();
  func::ReturnOp::create(builder, module.getLoc());
  return function;
}

void lathe::compiler::emitTileCall(PhaseContext &c, ir::LinearOp linear, int64_t rowTile,
                                   const TileOperands &operands) {
  KernelBuilder &k = c.k;
  TileKind kind = TileKind::get(linear, rowTile);
  const Rows &input = operands.input;
  Value none = LLVM::ZeroOp::create(k.builder(), k.getLoc(), k.ptr());
  Value data = k.at(input.data, k.mul(operands.firstRow, input.rowBytes));
  Value scaleOffset = k.mul(operands.firstRow, input.scaleRowBytes);
  Value scales = input.scales ? k.at(input.scales, scaleOffset) : none;
  Value sums = input.sums ? k.at(input.sums, scaleOffset) : none;
  Value wholeSteps = k.constant(panelSteps(linear) - (kind.rest ? 1 : 0));
  func::CallOp::create(k.builder(), k.getLoc(), getTileFunction(c, kind),
                       ValueRange{operands.panel, wholeSteps, data, k.constant(input.rowBytes),
                                  scales, sums, k.constant(input.scaleRowBytes),
                                  operands.destination, k.constant(operands.destinationRowBytes)});
}
