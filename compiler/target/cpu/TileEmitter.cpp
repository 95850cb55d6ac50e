//===- TileEmitter.cpp - Register tiles of a contraction -------------------===//

#include "compiler/target/cpu/TileEmitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr int64_t Groups = PanelRows / Lanes;

static const WeightFormat &formatOf(ir::LinearOp linear) {
  auto type = cast<RankedTensorType>(linear.getWeight().getType());
  const WeightFormat *format = findWeightFormat(llvm::StringRef(ir::getBlockFormat(type.getElementType())->Name));
  assert(format && "checked before emission");
  return *format;
}

static int64_t inputsOf(ir::LinearOp linear) {
  return cast<RankedTensorType>(linear.getWeight().getType()).getDimSize(1);
}

int64_t lathe::compiler::panelBytes(ir::LinearOp linear, const WeightFormat &format) {
  int64_t step = format.stepElements();
  return (inputsOf(linear) + step - 1) / step * format.stepBytes();
}

namespace {

class TileBuilder {
public:
  TileBuilder(PhaseContext &context, const TileSpec &spec)
      : c(context), k(context.k), spec(spec), format(formatOf(spec.linear)), inputs(inputsOf(spec.linear)) {}

  void emit();

private:
  using Sums = SmallVector<Value>; ///< [rowTile][Groups] of vector<16xf32>.

  Sums emitFloatStep(Value step, Value index, ValueRange carried, int64_t elements);
  Sums emitInt8Block(Value step, Value index, ValueRange carried);
  void emitInt8Group(Value step, Value index, int64_t group, Sums &sums);
  Value input(int64_t row, Value byteOffset);
  Value loadInput(Value pointer);
  void prefetchNext(Value offset);

  PhaseContext &c;
  KernelBuilder &k;
  TileSpec spec;
  const WeightFormat &format;
  int64_t inputs;
  SmallVector<Value> rowData, rowScales, rowSums;
  bool bf16 = false;
};

} // namespace

Value TileBuilder::input(int64_t row, Value byteOffset) { return k.at(rowData[row], byteOffset); }

/// One element of an f32 or bf16 row, in all lanes as f32.
Value TileBuilder::loadInput(Value pointer) {
  if (!bf16)
    return k.loadSplat(pointer);
  Value narrow = k.load(k.builder().getBF16Type(), pointer);
  return k.broadcast(arith::ExtFOp::create(k.builder(), k.getLoc(), k.f32(), narrow));
}

TileBuilder::Sums TileBuilder::emitFloatStep(Value step, Value index, ValueRange carried, int64_t elements) {
  Sums sums(carried.begin(), carried.end());
  int64_t elementBytes = bf16 ? 2 : 4;
  Value offset = k.mul(index, format.stepElements() * elementBytes);
  for (int64_t group = 0; group < Groups; ++group)
    format.unpack(k, step, group, [&](int64_t element, Value weight) {
      if (element >= elements)
        return;
      for (int64_t row = 0; row < spec.rowTile; ++row) {
        Value x = loadInput(k.at(input(row, offset), element * elementBytes));
        Value &sum = sums[row * Groups + group];
        sum = k.fma(weight, x, sum);
      }
    });
  return sums;
}

/// Adds d * s * sum((q - zero) x) + m * s * sum(x) of one block to the sums of
/// one group of 16 outputs.
void TileBuilder::emitInt8Group(Value step, Value index, int64_t group, Sums &sums) {
  const Int8Dot &dot = *c.target.int8Dot;
  Int8Weights weights = *format.int8Weights();
  SmallVector<Value> rowSum(spec.rowTile);
  SmallVector<Int8Dot::Parts> parts(spec.rowTile);
  Value scaleOffset = k.mul(index, 4), blockOffset = k.mul(index, 32);
  for (int64_t row = 0; row < spec.rowTile; ++row) {
    rowSum[row] = k.load(k.i32(), k.at(rowSums[row], scaleOffset));
    parts[row] = dot.begin(k, weights, rowSum[row]);
  }
  format.unpackInt8(k, step, group, [&](int64_t quad, Value weight) {
    Int8Dot::Parts prepared = dot.prepare(k, weights, weight);
    for (int64_t row = 0; row < spec.rowTile; ++row)
      parts[row] = dot.step(k, weights, parts[row], prepared, k.at(input(row, blockOffset), 4 * quad));
  });
  Value d = format.scale(k, step, group), m = format.minimum(k, step, group);
  for (int64_t row = 0; row < spec.rowTile; ++row) {
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

TileBuilder::Sums TileBuilder::emitInt8Block(Value step, Value index, ValueRange carried) {
  Sums sums(carried.begin(), carried.end());
  for (int64_t group = 0; group < Groups; ++group)
    emitInt8Group(step, index, group, sums);
  return sums;
}

/// All lines of the same step in the panel behind this one.
void TileBuilder::prefetchNext(Value offset) {
  Value next = k.at(k.at(spec.panel, panelBytes(spec.linear, format)), offset);
  for (int64_t line = 0; line < format.stepBytes(); line += 64)
    k.prefetch(k.at(next, line));
}

void TileBuilder::emit() {
  Type inputElement = cast<RankedTensorType>(spec.linear.getInput().getType()).getElementType();
  bool int8 = isa<ir::QuantizedActivationType>(inputElement);
  bf16 = inputElement.isBF16();
  for (int64_t row = 0; row < spec.rowTile; ++row) {
    Value index = k.add(spec.firstRow, row);
    rowData.push_back(k.at(spec.input.data, k.mul(index, spec.input.rowBytes)));
    if (!int8)
      continue;
    Value offset = k.mul(index, spec.input.scaleRowBytes);
    rowScales.push_back(k.at(spec.input.scales, offset));
    rowSums.push_back(k.at(spec.input.sums, offset));
  }
  Sums sums(spec.rowTile * Groups, k.splat(0.0f));
  int64_t whole = inputs / format.stepElements(), rest = inputs % format.stepElements();
  sums = k.forLoop(k.constant(0), k.constant(whole), 1, sums, [&](Value index, ValueRange carried) -> Sums {
    Value offset = k.mul(index, format.stepBytes());
    if (spec.prefetch)
      prefetchNext(offset);
    Value step = k.at(spec.panel, offset);
    return int8 ? emitInt8Block(step, index, carried)
                : emitFloatStep(step, index, carried, format.stepElements());
  });
  if (rest)
    sums = emitFloatStep(k.at(spec.panel, whole * format.stepBytes()), k.constant(whole), sums, rest);
  for (int64_t row = 0; row < spec.rowTile; ++row)
    for (int64_t group = 0; group < Groups; ++group)
      k.store(sums[row * Groups + group], k.at(spec.destination, row * spec.rowBytes + group * Lanes * 4));
}

void lathe::compiler::emitTile(PhaseContext &context, const TileSpec &spec) {
  TileBuilder(context, spec).emit();
}
