//===- GpuRowOps.cpp - Ops that work on whole rows -------------------------===//

#include "compiler/target/nvptx/GpuRowOps.h"

#include "compiler/target/cpu/VectorMath.h"
#include "compiler/target/nvptx/GpuElements.h"
#include "compiler/target/nvptx/GpuFormat.h"

#include "llvm/ADT/StringMap.h"

#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static llvm::StringMap<GpuRowEmitter> &registry() {
  static llvm::StringMap<GpuRowEmitter> emitters;
  return emitters;
}

GpuRowEmitterRegistration::GpuRowEmitterRegistration(StringRef opName, GpuRowEmitter emitter) {
  registry()[opName] = emitter;
}

GpuRowEmitter lathe::compiler::findGpuRowEmitter(StringRef opName) {
  return registry().lookup(opName);
}

static Value loadFloat(GpuBuilder &k, Value row, Value index) {
  return k.loadWide(k.f32(), k.at(row, k.mul(index, 4)), 4);
}

static void storeFloat(GpuBuilder &k, Value x, Value row, Value index) {
  k.storeWide(x, k.at(row, k.mul(index, 4)), 4);
}

//===----------------------------------------------------------------------===//
// rms_norm
//===----------------------------------------------------------------------===//

static Value add(GpuBuilder &k, Value a, Value c) { return k.addf(a, c); }

static void emitRMSNorm(GpuContext &c, Operation *op, const GpuRow &row) {
  GpuBuilder &k = c.k;
  auto norm = cast<ir::RMSNormOp>(op);
  int64_t elements = headColumns(norm.getResult());
  Value weight = c.weightPointer(norm.getWeight());
  Value input = c.rowPointer(norm.getInput(), row), output = c.rowPointer(norm.getResult(), row);
  // Once for the row, or for each of its heads.
  k.forLoop(
      k.constant(0), k.constant(c.rowsOf(norm.getResult()).elements), elements, [&](Value head) {
        Value from = k.at(input, k.mul(head, 4)), to = k.at(output, k.mul(head, 4));
        Value sum = k.forLoop(c.thread, k.constant(elements), BlockThreads, {k.floatConstant(0.0f)},
                              [&](Value i, ValueRange carried) -> SmallVector<Value> {
                                Value x = loadFloat(k, from, i);
                                return {k.fma(x, x, carried[0])};
                              })[0];
        sum = c.blockReduce(sum, [&](Value a, Value b) { return add(k, a, b); });
        Value factor = k.extract(emitInverseRMS(k, k.broadcast(sum, 1),
                                                k.floatConstant(static_cast<float>(elements)),
                                                k.floatConstant(norm.getEps().convertToFloat())),
                                 0);
        c.forThreads(k.constant(elements), [&](Value i) {
          Value scaled = k.mulf(loadFloat(k, from, i), factor);
          Value own = k.loadConstant(k.f32(), k.at(weight, k.mul(i, 4)), 4);
          storeFloat(k, k.mulf(scaled, own), to, i);
        });
      });
}

//===----------------------------------------------------------------------===//
// quantize
//===----------------------------------------------------------------------===//

static void emitToBF16(GpuContext &c, ir::QuantizeOp quantize, const GpuRow &row) {
  GpuBuilder &k = c.k;
  constexpr int64_t bytes = 2;
  Value from = c.rowPointer(quantize.getInput(), row), to = c.rowPointer(quantize.getResult(), row);
  const GpuRows result = c.rowsOf(quantize.getResult());
  c.forThreads(k.constant(result.elements), [&](Value i) {
    Value rounded = k.onScalar(loadFloat(k, from, i), emitRoundBF16);
    k.storeWide(rounded, k.at(to, result.offset(k, i, bytes)), bytes);
  });
}

/// A warp takes a block of 32 elements, a lane each.
static void emitToInt8(GpuContext &c, ir::QuantizeOp quantize, const GpuRow &row) {
  GpuBuilder &k = c.k;
  Value from = c.rowPointer(quantize.getInput(), row);
  GpuRows result = c.rowsOf(quantize.getResult());
  Value index = result.index(row);
  Value to = k.at(result.data, k.mul(index, result.rowBytes));
  Value scales = k.at(result.scales, k.mul(index, 4));
  k.forLoop(c.warp, k.constant(result.elements / WarpThreads), BlockWarps, [&](Value block) {
    Value x = loadFloat(k, from, k.add(k.mul(block, WarpThreads), c.lane));
    Value greatest = k.warpReduce(emitAbs(k, x), [&](Value a, Value b) { return k.maxf(a, b); });
    IntegerScale scale = emitIntegerScale(k, greatest, 127);
    Value integer = k.onScalar(k.mulf(x, scale.inverse), emitNearestInt);
    Value byte = arith::TruncIOp::create(k.builder(), k.getLoc(), k.i8(), integer);
    k.storeWide(byte, k.at(k.at(to, k.mul(block, result.blockBytes)), c.lane), 1);
    k.ifThen(k.equal(c.lane, k.constant(0)), [&] {
      k.storeWide(scale.unit, k.at(scales, k.mul(block, result.scaleBlockBytes)), 4);
    });
  });
}

static void emitQuantize(GpuContext &c, Operation *op, const GpuRow &row) {
  auto quantize = cast<ir::QuantizeOp>(op);
  if (c.rowsOf(quantize.getResult()).scales)
    emitToInt8(c, quantize, row);
  else
    emitToBF16(c, quantize, row);
}

//===----------------------------------------------------------------------===//
// embed, select_logits, rope_table
//===----------------------------------------------------------------------===//

/// The weight at `column` of row `lane` of a panel.
static Value emitTableElement(GpuBuilder &k, const GpuFormat &format, Value panel, Value lane,
                              Value column) {
  if (format.floats)
    return k.extract(format.floats->weights(k, {panel, panel, lane, 1}, column), 0);
  constexpr int64_t blockElements = 32;
  GpuBlock block = emitGpuBlock(k, *format.integer, panel, k.div(column, blockElements), lane, 1);
  Value inBlock = k.rem(column, blockElements), quad = k.div(inBlock, 4);
  Value words = format.integer->words(k, block, quad);
  return k.extract(emitDequantized(k, *format.integer, block, words, quad, k.rem(inBlock, 4)), 0);
}

static void emitEmbed(GpuContext &c, Operation *op, const GpuRow &row) {
  GpuBuilder &k = c.k;
  auto embed = cast<ir::EmbedOp>(op);
  auto table = cast<RankedTensorType>(embed.getTable().getType());
  const BlockFormat &layout = *ir::getBlockFormat(table.getElementType());
  Value token = c.rowField(GpuContext::Field::Token, row.number);
  Value panel = k.at(c.weightPointer(embed.getTable()),
                     k.mul(k.div(token, PanelRows), packedPanelBytes(layout, table.getDimSize(1))));
  Value lane = k.rem(token, PanelRows), output = c.rowPointer(embed.getResult(), row);
  c.forThreads(k.constant(table.getDimSize(1)), [&](Value column) {
    Value x = emitTableElement(k, gpuFormatOf(embed.getTable()), panel, lane, column);
    storeFloat(k, k.mulf(x, k.floatConstant(embed.getScale().convertToFloat())), output, column);
  });
}

static void emitSelectLogits(GpuContext &c, Operation *op, const GpuRow &row) {
  GpuBuilder &k = c.k;
  auto select = cast<ir::SelectLogitsOp>(op);
  Value wanted = c.rowField(GpuContext::Field::LogitsRow, row.number);
  Value from = c.rowPointer(select.getInput(), {wanted, row.local});
  Value to = c.rowPointer(select.getResult(), row);
  c.forThreads(k.constant(c.rowsOf(select.getResult()).elements),
               [&](Value i) { storeFloat(k, loadFloat(k, from, i), to, i); });
}

/// The frequencies of the pairs, as constants of the module.
static Value emitFrequencies(GpuContext &c, ir::RopeTableOp table) {
  GpuBuilder &k = c.k;
  SmallVector<float> frequencies = table.getFrequencies();
  auto module = c.phase->getParentOfType<ModuleOp>();
  auto elements = DenseElementsAttr::get(RankedTensorType::get(frequencies.size(), k.f32()),
                                         ArrayRef<float>(frequencies));
  LLVM::GlobalOp found;
  unsigned count = 0;
  for (auto global : module.getOps<LLVM::GlobalOp>()) {
    count += global.getSymName().starts_with("lathe_frequencies");
    if (global.getValueAttr() == elements)
      found = global;
  }
  if (!found) {
    constexpr unsigned globalSpace = 1, alignment = 16;
    OpBuilder atStart = OpBuilder::atBlockBegin(module.getBody());
    found = LLVM::GlobalOp::create(
        atStart, module.getLoc(), LLVM::LLVMArrayType::get(k.f32(), frequencies.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal, "lathe_frequencies" + std::to_string(count),
        elements, alignment, globalSpace);
  }
  auto type = LLVM::LLVMPointerType::get(k.builder().getContext(), found.getAddrSpace());
  Value address = LLVM::AddressOfOp::create(k.builder(), k.getLoc(), type, found.getSymName());
  return LLVM::AddrSpaceCastOp::create(k.builder(), k.getLoc(), k.ptr(), address);
}

static void emitRopeTable(GpuContext &c, Operation *op, const GpuRow &row) {
  GpuBuilder &k = c.k;
  auto table = cast<ir::RopeTableOp>(op);
  Value frequencies = emitFrequencies(c, table), output = c.rowPointer(table.getResult(), row);
  Value position = k.intToFloat(c.rowField(GpuContext::Field::Position, row.number));
  int64_t pairs = cast<RankedTensorType>(table.getResult().getType()).getDimSize(1);
  c.forThreads(k.constant(pairs), [&](Value pair) {
    Value frequency = k.loadConstant(k.f32(), k.at(frequencies, k.mul(pair, 4)), 4);
    auto [sine, cosine] = emitSinCos(k, k.broadcast(k.mulf(position, frequency), 1));
    Value to = k.at(output, k.mul(pair, 8));
    k.storeWide(k.extract(cosine, 0), to, 4);
    k.storeWide(k.extract(sine, 0), k.at(to, 4), 4);
  });
}

//===----------------------------------------------------------------------===//
// logistic, margin: how sure a row is
//===----------------------------------------------------------------------===//

static void storeFirst(GpuContext &c, Value x, Value to) {
  GpuBuilder &k = c.k;
  k.ifThen(k.equal(c.thread, k.constant(0)), [&] { k.storeWide(x, to, 4); });
}

static void emitLogistic(GpuContext &c, Operation *op, const GpuRow &row) {
  GpuBuilder &k = c.k;
  auto logistic = cast<ir::LogisticOp>(op);
  Value weight = c.weightPointer(logistic.getWeight()), bias = c.weightPointer(logistic.getBias());
  Value from = c.rowPointer(logistic.getInput(), row), to = c.rowPointer(logistic.getResult(), row);
  Value elements = k.constant(ir::dimOf(logistic.getWeight(), 0));
  Value sum = k.forLoop(c.thread, elements, BlockThreads, {k.floatConstant(0.0f)},
                        [&](Value i, ValueRange carried) -> SmallVector<Value> {
                          Value own = k.loadConstant(k.f32(), k.at(weight, k.mul(i, 4)), 4);
                          return {k.fma(loadFloat(k, from, i), own, carried[0])};
                        })[0];
  sum = c.blockReduce(sum, [&](Value a, Value b) { return add(k, a, b); });
  Value logit = k.addf(sum, k.loadConstant(k.f32(), bias, 4)), one = k.floatConstant(1.0f);
  Value odds = k.onScalar(k.subf(k.floatConstant(0.0f), logit), emitExp);
  storeFirst(c, k.divf(one, k.addf(one, odds)), to);
}

/// The greatest element, the first place of it, and the greatest element elsewhere.
static void emitMargin(GpuContext &c, Operation *op, const GpuRow &row) {
  GpuBuilder &k = c.k;
  auto margin = cast<ir::MarginOp>(op);
  Value from = c.rowPointer(margin.getInput(), row), to = c.rowPointer(margin.getResult(), row);
  int64_t columns = ir::dimOf(margin.getInput(), 1);
  Value elements = k.constant(columns), none = k.constant(columns);
  Value least = k.floatConstant(-std::numeric_limits<float>::infinity());
  auto greatestBut = [&](Value place) {
    Value own = k.forLoop(c.thread, elements, BlockThreads, {least},
                          [&](Value i, ValueRange carried) -> SmallVector<Value> {
                            Value x = k.select(k.equal(i, place), least, loadFloat(k, from, i));
                            return {k.maxf(carried[0], x)};
                          })[0];
    return c.blockReduce(own, [&](Value a, Value b) { return k.maxf(a, b); });
  };
  Value greatest = greatestBut(none);
  // Places count down, so that the first is the greatest; f32 holds them exactly.
  Value place = k.forLoop(c.thread, elements, BlockThreads, {k.floatConstant(0.0f)},
                          [&](Value i, ValueRange carried) -> SmallVector<Value> {
                            Value left = k.intToFloat(k.sub(elements, i));
                            Value same = k.compare(arith::CmpFPredicate::OEQ, loadFloat(k, from, i),
                                                   greatest);
                            return {k.maxf(carried[0], k.select(same, left, carried[0]))};
                          })[0];
  place = c.blockReduce(place, [&](Value a, Value b) { return k.maxf(a, b); });
  Value first = arith::FPToSIOp::create(k.builder(), k.getLoc(), k.i64(), place);
  storeFirst(c, k.subf(greatest, greatestBut(k.sub(elements, first))), to);
}

static const GpuRowEmitterRegistration registrations[] = {
    {ir::LogisticOp::getOperationName(), emitLogistic},
    {ir::MarginOp::getOperationName(), emitMargin},
    {ir::RMSNormOp::getOperationName(), emitRMSNorm},
    {ir::QuantizeOp::getOperationName(), emitQuantize},
    {ir::EmbedOp::getOperationName(), emitEmbed},
    {ir::SelectLogitsOp::getOperationName(), emitSelectLogits},
    {ir::RopeTableOp::getOperationName(), emitRopeTable},
};

//===----------------------------------------------------------------------===//
// Rows of a block
//===----------------------------------------------------------------------===//

static void emitElementwise(GpuContext &c, Operation *op, const GpuRow &row) {
  GpuBuilder &k = c.k;
  auto append = dyn_cast<ir::KVAppendOp>(op);
  Value shape = append ? Value(append.getKey()) : Value(op->getResult(0));
  int64_t elements =
      ShapedType::getNumElements(cast<RankedTensorType>(shape.getType()).getShape().drop_front());
  c.forThreads(k.constant(elements), [&](Value column) {
    GpuElements own(c, row, /*tile=*/nullptr);
    if (append)
      return emitGpuCacheWrite(own, append, column);
    Value x = findGpuElementEmitter(op->getName().getStringRef())(own, op, column);
    storeFloat(k, x, c.rowPointer(op->getResult(0), row), column);
  });
}

LogicalResult lathe::compiler::emitGpuRows(GpuContext &c, ArrayRef<Operation *> ops, Value first,
                                           Value rows) {
  GpuBuilder &k = c.k;
  for (Operation *op : ops) {
    StringRef name = op->getName().getStringRef();
    if (!findGpuRowEmitter(name) && !findGpuElementEmitter(name) && !isa<ir::KVAppendOp>(op))
      return op->emitError() << "no code for '" << op->getName() << "' on rows";
  }
  k.forLoop(k.constant(0), rows, 1, [&](Value local) {
    GpuRow row{k.add(first, local), local};
    for (Operation *op : ops) {
      if (GpuRowEmitter emitter = findGpuRowEmitter(op->getName().getStringRef()))
        emitter(c, op, row);
      else
        emitElementwise(c, op, row);
      k.barrier();
    }
  });
  return success();
}
