//===- RowOps.cpp - Row-wise ops of the model level ------------------------===//

#include "compiler/target/cpu/BlockQuantizer.h"
#include "compiler/target/cpu/RowEmitter.h"
#include "compiler/target/cpu/TileEmitter.h"
#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Loops over `elements` f32 elements in vectors; `body` gets the byte offset.
static void forVectors(KernelBuilder &k, int64_t elements, int64_t lanes,
                       KernelBuilder::Body body) {
  k.forLoop(k.constant(0), k.constant(elements * 4), lanes * 4, body);
}

//===----------------------------------------------------------------------===//
// rms_norm
//===----------------------------------------------------------------------===//

/// A row, or a head, of `bytes` bytes from `from` to `to`, `lanes` elements at a time.
static void emitNormOf(KernelBuilder &k, int64_t lanes, ValueRange arguments) {
  Value from = arguments[0], to = arguments[1], weight = arguments[2], bytes = arguments[3];
  VectorType type = k.vec(k.f32(), lanes);
  Value sum = k.forLoop(k.constant(0), bytes, lanes * 4, {k.splat(0.0f, lanes)},
                        [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                          Value x = k.load(type, k.at(from, offset));
                          return {k.fma(x, x, carried[0])};
                        })[0];
  Value factor = emitInverseRMS(k, sum, arguments[4], arguments[5]);
  k.forLoop(k.constant(0), bytes, lanes * 4, [&](Value offset) {
    Value scaled = k.mulf(k.load(type, k.at(from, offset)), factor);
    k.store(k.mulf(scaled, k.load(type, k.at(weight, offset))), k.at(to, offset));
  });
}

static void emitRMSNorm(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto norm = cast<ir::RMSNormOp>(op);
  int64_t elements = cast<RankedTensorType>(norm.getWeight().getType()).getDimSize(0);
  int64_t lanes = commonLanes({elements});
  Value weight = c.weightPointer(norm.getWeight());
  Value input = c.rowPointer(norm.getInput(), row, rows),
        output = c.rowPointer(norm.getResult(), row, rows);
  int64_t rowBytes = c.rowsOf(norm.getResult(), rows).elements * 4;
  std::string name = "row.rms_norm." + std::to_string(lanes);
  // Once per row, or once per head of the row.
  k.forLoop(k.constant(0), k.constant(rowBytes), elements * 4, [&](Value head) {
    Value arguments[] = {k.at(input, head),
                         k.at(output, head),
                         weight,
                         k.constant(elements * 4),
                         k.floatConstant(static_cast<float>(elements)),
                         k.floatConstant(norm.getEps().convertToFloat())};
    c.callShared(name, arguments,
                 [&](KernelBuilder &inside, ValueRange own) { emitNormOf(inside, lanes, own); });
  });
}

//===----------------------------------------------------------------------===//
// quantize
//===----------------------------------------------------------------------===//

/// A whole row to int16, `lanes` elements at a time, and its scale.
static void emitQuantizeRow(KernelBuilder &k, int64_t lanes, ValueRange a) {
  Value from = a[0], to = a[1], scaleTo = a[2], bytes = a[3], zero = k.constant(0);
  VectorType floats = k.vec(k.f32(), lanes);
  Value greatest = k.forLoop(zero, bytes, lanes * 4, {k.splat(0.0f, lanes)},
                             [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                               Value x = k.load(floats, k.at(from, offset));
                               return {k.maxf(emitAbs(k, x), carried[0])};
                             })[0];
  IntegerScale scale = emitIntegerScale(k, k.reduceMax(greatest), ir::WideActivationType::Limit);
  k.store(scale.unit, scaleTo);
  Value factor = k.broadcast(scale.inverse, lanes);
  k.forLoop(zero, bytes, lanes * 4, [&](Value offset) {
    Value x = k.load(floats, k.at(from, offset));
    Value integers = emitNearestInt(k, k.mulf(x, factor));
    k.store(arith::TruncIOp::create(k.builder(), k.getLoc(), k.vec(k.i16(), lanes), integers),
            k.at(to, k.div(offset, 2)));
  });
}

/// A whole row to unsigned int8 above its least element, `lanes` elements at a time, with a scale
/// for each block of it.
static void emitQuantizeBytes(KernelBuilder &k, int64_t lanes, ValueRange a) {
  Value from = a[0], to = a[1], scales = a[2], lowTo = a[3], bytes = a[4], scaleStride = a[5];
  VectorType floats = k.vec(k.f32(), lanes);
  Value nothing = k.splat(0.0f, lanes), zero = k.constant(0);
  auto greatest = [&](Value first, Value last, llvm::function_ref<Value(Value)> of) {
    Value least = k.splat(-std::numeric_limits<float>::infinity(), lanes);
    Value most = k.forLoop(first, last, lanes * 4, {least},
                           [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                             Value x = k.load(floats, k.at(from, offset));
                             return {k.maxf(of(x), carried[0])};
                           })[0];
    return k.reduceMax(most);
  };
  Value below = greatest(zero, bytes, [&](Value x) { return k.subf(nothing, x); });
  Value low = k.subf(k.floatConstant(0.0f), below), lows = k.broadcast(low, lanes);
  k.store(low, lowTo);
  constexpr int64_t BlockBytes = 4 * ir::ByteActivationType::Together;
  k.forLoop(zero, bytes, BlockBytes, [&](Value first) {
    Value last = k.min(k.add(first, BlockBytes), bytes);
    Value top = greatest(first, last, [](Value x) { return x; });
    IntegerScale scale = emitIntegerScale(k, k.subf(top, low), ir::ByteActivationType::Limit);
    k.store(scale.unit, k.at(scales, k.mul(k.div(first, BlockBytes), scaleStride)));
    Value factor = k.broadcast(scale.inverse, lanes);
    k.forLoop(first, last, lanes * 4, [&](Value offset) {
      Value above = k.subf(k.load(floats, k.at(from, offset)), lows);
      Value integers = emitNearestInt(k, k.mulf(above, factor));
      k.store(arith::TruncIOp::create(k.builder(), k.getLoc(), k.vec(k.i8(), lanes), integers),
              k.at(to, k.div(offset, 4)));
    });
  });
}

static void emitQuantize(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto quantize = cast<ir::QuantizeOp>(op);
  Value from = c.rowPointer(quantize.getInput(), row, rows),
        to = c.rowPointer(quantize.getResult(), row, rows);
  Rows result = c.rowsOf(quantize.getResult(), rows);
  int64_t lanes = commonLanes({result.elements});
  if (!result.scales) {
    forVectors(k, result.elements, lanes, [&](Value offset) {
      Value x = k.load(k.vec(k.f32(), lanes), k.at(from, offset));
      k.store(emitRoundBF16(k, x), k.at(to, k.div(offset, 2)));
    });
    return;
  }
  if (result.sums)
    return emitQuantizeBlocks(c, from, result, row);
  // A row without memory of its own is row 0.
  Value own = result.rowBytes ? row : k.constant(0);
  if (result.lows) {
    Value arguments[] = {from,
                         to,
                         k.at(result.scales, k.mul(own, 4)),
                         k.at(result.lows, k.mul(own, 4)),
                         k.constant(result.elements * 4),
                         k.constant(result.scaleBlockBytes)};
    c.callShared(
        "row.quantize_bytes." + std::to_string(lanes), arguments,
        [&](KernelBuilder &inside, ValueRange own) { emitQuantizeBytes(inside, lanes, own); });
    return;
  }
  Value arguments[] = {from, to, k.at(result.scales, k.mul(own, 4)),
                       k.constant(result.elements * 4)};
  c.callShared("row.quantize16." + std::to_string(lanes), arguments,
               [&](KernelBuilder &inside, ValueRange own) { emitQuantizeRow(inside, lanes, own); });
}

//===----------------------------------------------------------------------===//
// rope_table, embed, select_logits
//===----------------------------------------------------------------------===//

static void emitRopeTable(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto table = cast<ir::RopeTableOp>(op);
  SmallVector<float> frequencies = table.getFrequencies();
  int64_t pairs = frequencies.size(), lanes = commonLanes({pairs});
  Value output = c.rowPointer(table.getResult(), row, rows);
  Value position = c.rowField(c.args.position, row);
  Value angle = arith::SIToFPOp::create(k.builder(), k.getLoc(), k.f32(), position);
  SmallVector<int64_t> interleave;
  for (int64_t lane = 0; lane < lanes; ++lane)
    interleave.append({lane, lanes + lane});
  for (int64_t first = 0; first < pairs; first += lanes) {
    auto type = k.vec(k.f32(), lanes);
    auto part = ArrayRef<float>(frequencies).slice(first, lanes);
    Value frequency =
        arith::ConstantOp::create(k.builder(), k.getLoc(), DenseElementsAttr::get(type, part));
    auto [sine, cosine] = emitSinCos(k, k.mulf(k.broadcast(angle, lanes), frequency));
    k.store(k.shuffle(cosine, sine, interleave), k.at(output, first * 8));
  }
}

void lathe::compiler::emitTableRow(PhaseContext &c, Value tableWeight, Value index, Value output,
                                   float scale) {
  KernelBuilder &k = c.k;
  auto table = cast<RankedTensorType>(tableWeight.getType());
  const BlockFormat *layout = ir::getBlockFormat(table.getElementType());
  const WeightFormat *format = findWeightFormat(llvm::StringRef(layout->Name));
  assert(format && "checked before emission");
  int64_t width = table.getDimSize(1), stepElements = format->stepElements();
  int64_t steps = (width + stepElements - 1) / stepElements;
  // The last pair of an odd width is written one element too far.
  Value scratch = width % stepElements ? c.allocateScratch(4 * steps * stepElements) : Value();
  Value destination = scratch ? scratch : output;
  PanelPointers panel =
      emitPanelPointers(k, c.weightPointer(tableWeight), table, k.div(index, PanelRows));
  Value lane = k.rem(index, PanelRows), count = k.constant(steps);
  k.forLoop(k.constant(0), count, 1, [&](Value step) {
    PanelBlock place{k.at(panel.panel, k.mul(step, format->stepBytes())),
                     {},
                     {},
                     panel.panel,
                     panel.tail,
                     count,
                     step};
    format->gather(k, place, lane, k.at(destination, k.mul(step, 4 * stepElements)));
  });
  if (scale == 1.0f && !scratch)
    return;
  int64_t lanes = commonLanes({width});
  forVectors(k, width, lanes, [&](Value offset) {
    Value x = k.load(k.vec(k.f32(), lanes), k.at(destination, offset));
    k.store(k.mulf(x, k.splat(scale, lanes)), k.at(output, offset));
  });
}

static void emitEmbed(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  auto embed = cast<ir::EmbedOp>(op);
  emitTableRow(c, embed.getTable(), c.rowField(c.args.token, row),
               c.rowPointer(embed.getResult(), row, rows), embed.getScale().convertToFloat());
}

static void emitSelectLogits(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto select = cast<ir::SelectLogitsOp>(op);
  Value from = c.rowPointer(select.getInput(), c.rowField(c.args.logitsRow, row), rows);
  Value to = c.rowPointer(select.getResult(), row, rows);
  int64_t elements = c.rowsOf(select.getResult(), rows).elements, lanes = commonLanes({elements});
  forVectors(k, elements, lanes, [&](Value offset) {
    k.store(k.load(k.vec(k.f32(), lanes), k.at(from, offset)), k.at(to, offset));
  });
}

static RowEmitterRegistration rmsNorm(ir::RMSNormOp::getOperationName(), emitRMSNorm);
static RowEmitterRegistration quantize(ir::QuantizeOp::getOperationName(), emitQuantize);
static RowEmitterRegistration ropeTable(ir::RopeTableOp::getOperationName(), emitRopeTable);
static RowEmitterRegistration embed(ir::EmbedOp::getOperationName(), emitEmbed);
static RowEmitterRegistration selectLogits(ir::SelectLogitsOp::getOperationName(),
                                           emitSelectLogits);
