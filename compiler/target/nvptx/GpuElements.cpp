//===- GpuElements.cpp - Elementwise ops, an element at a time -------------===//

#include "compiler/target/nvptx/GpuElements.h"

#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/VectorMath.h"
#include "compiler/target/nvptx/GpuTensorAttention.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static llvm::StringMap<GpuElementEmitter> &registry() {
  static llvm::StringMap<GpuElementEmitter> emitters;
  return emitters;
}

GpuElementEmitterRegistration::GpuElementEmitterRegistration(StringRef opName,
                                                             GpuElementEmitter emitter) {
  registry()[opName] = emitter;
}

GpuElementEmitter lathe::compiler::findGpuElementEmitter(StringRef opName) {
  return registry().lookup(opName);
}

int64_t lathe::compiler::headColumns(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

//===----------------------------------------------------------------------===//
// GpuElements
//===----------------------------------------------------------------------===//

static Value loadElement(GpuBuilder &k, Value row, Value column) {
  return k.loadWide(k.f32(), k.at(row, k.mul(column, 4)), 4);
}

Value GpuElements::get(Value value, Value column) {
  auto place = std::make_pair(value.getAsOpaquePointer(), column.getAsOpaquePointer());
  auto it = known.find(place);
  if (it != known.end())
    return it->second;
  Value result = compute(value, column);
  return known[place] = result;
}

Value GpuElements::compute(Value value, Value column) {
  Operation *op = value.getDefiningOp();
  if (!tile || isa<step::LoadOp>(op))
    return loadElement(k, c.rowPointer(value, row), column);
  if (Value products = tile->products.lookup(op))
    return loadElement(k, products, k.sub(column, tile->firstColumn));
  GpuElementEmitter emitter = findGpuElementEmitter(op->getName().getStringRef());
  assert(emitter && "checked before emission");
  return emitter(*this, op, column);
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

bool lathe::compiler::isGpuCacheElement(Type element) { return isa<FloatType>(element); }

Value lathe::compiler::emitWithinF16(GpuBuilder &k, Value x) {
  constexpr float most = 65504.0f;
  auto type = dyn_cast<VectorType>(x.getType());
  auto bound = [&](arith::CmpFPredicate predicate, float limit) {
    Value value = type ? k.splat(limit, type.getNumElements()) : k.floatConstant(limit);
    x = k.select(k.compare(predicate, x, value), value, x);
  };
  bound(arith::CmpFPredicate::OGT, most);
  bound(arith::CmpFPredicate::OLT, -most);
  return x;
}

/// Finite, as a weight of 0 meets what rows behind have written.
static Value convert(GpuBuilder &k, Value x, Type element) {
  if (element.isF32())
    return x;
  if (element.isBF16())
    return k.onScalar(x, emitRoundBF16);
  return arith::TruncFOp::create(k.builder(), k.getLoc(), element, emitWithinF16(k, x));
}

/// docs/layouts.md, "The KV cache".  Where an element of the key, and of the value, lies, in
/// elements from the start of the keys, or of the values.
static std::pair<Value, Value> cachePlaces(GpuBuilder &k, ir::KVType type, Value position,
                                           Value element) {
  int64_t dim = type.getHeadDim();
  Value block = k.mul(k.div(position, Lanes), dim * Lanes), own = k.rem(position, Lanes);
  if (!hasTensorAttention(type))
    return {k.add(k.add(block, k.mul(element, Lanes)), own), k.add(k.mul(position, dim), element)};
  Value pair = k.mul(k.div(element, 2), 2 * Lanes);
  Value key = k.add(k.add(block, pair), k.add(k.mul(own, 2), k.rem(element, 2)));
  Value row = k.add(k.mul(k.div(position, 2), dim), element);
  return {key, k.add(k.mul(row, 2), k.rem(position, 2))};
}

void lathe::compiler::emitGpuCacheWrite(GpuElements &r, ir::KVAppendOp append, Value column) {
  GpuBuilder &k = r.k;
  ir::KVType type = append.getCache().getType();
  int64_t dim = type.getHeadDim(), bytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  Value position = r.c.rowField(GpuContext::Field::Position, r.row.number);
  Value sequence = r.c.rowField(GpuContext::Field::Sequence, r.row.number);
  Value head = k.div(column, dim), element = k.rem(column, dim);
  Value keys = r.c.cachePointer(type, sequence, head, k.div(position, AttentionSplit));
  Value values = k.at(keys, getKVFormat(type).splitBytes(type));
  auto [key, value] = cachePlaces(k, type, k.rem(position, AttentionSplit), element);
  for (auto [operand, place] : {std::pair(append.getKey(), k.at(keys, k.mul(key, bytes))),
                                std::pair(append.getValue(), k.at(values, k.mul(value, bytes)))})
    k.storeWide(convert(k, r.get(operand, column), type.getElementType()), place, bytes);
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

static Value emitAdd(GpuElements &r, Operation *op, Value column) {
  return r.k.addf(r.get(op->getOperand(0), column), r.get(op->getOperand(1), column));
}

static Value emitMul(GpuElements &r, Operation *op, Value column) {
  return r.k.mulf(r.get(op->getOperand(0), column), r.get(op->getOperand(1), column));
}

template <Value (*function)(KernelBuilder &, Value)>
static Value emitUnary(GpuElements &r, Operation *op, Value column) {
  return r.k.onScalar(r.get(op->getOperand(0), column), function);
}

static Value emitBias(GpuElements &r, Operation *op, Value column) {
  Value pointer = r.c.weightPointer(cast<ir::BiasOp>(op).getBias());
  Value bias = r.k.loadConstant(r.k.f32(), r.k.at(pointer, r.k.mul(column, 4)), 4);
  return r.k.addf(r.get(op->getOperand(0), column), bias);
}

/// Heads are neighbouring columns, so another shape is the same element.
static Value emitView(GpuElements &r, Operation *op, Value column) {
  return r.get(op->getOperand(0), column);
}

/// The norm of the head that the column is of.
static Value emitHeadNorm(GpuElements &r, Operation *op, Value column) {
  GpuBuilder &k = r.k;
  auto norm = cast<ir::RMSNormOp>(op);
  int64_t dim = headColumns(norm.getResult());
  Value head = k.div(k.sub(column, r.tile->firstColumn), dim);
  Value factor = loadElement(k, r.tile->norms.lookup(op), head);
  Value weight = k.at(r.c.weightPointer(norm.getWeight()), k.mul(k.rem(column, dim), 4));
  return k.mulf(k.mulf(r.get(norm.getInput(), column), factor), k.loadConstant(k.f32(), weight, 4));
}

/// (x, y) -> (x cos - y sin, x sin + y cos); what lies behind the pairs stays.
static Value emitRope(GpuElements &r, Operation *op, Value column) {
  GpuBuilder &k = r.k;
  auto rope = cast<ir::RopeOp>(op);
  int64_t dim = headColumns(rope.getResult());
  int64_t pairs = cast<RankedTensorType>(rope.getTable().getType()).getDimSize(1);
  Value element = k.rem(column, dim), isFirst, pair, other;
  if (rope.getLayout() == ir::RopeLayout::Interleaved) {
    isFirst = k.equal(k.rem(element, 2), k.constant(0));
    pair = k.div(element, 2);
    other = k.select(isFirst, k.add(column, 1), k.add(column, -1));
  } else {
    isFirst = k.less(element, k.constant(pairs));
    pair = k.select(isFirst, element, k.sub(element, k.constant(pairs)));
    other = k.select(isFirst, k.add(column, pairs), k.sub(column, k.constant(pairs)));
  }
  // Columns behind the last pair ask for a pair that there is, and do not use it.
  Value turns = k.less(element, k.constant(2 * pairs));
  pair = k.select(turns, pair, k.constant(0));
  other = k.select(turns, other, column);
  Value angle = k.mul(pair, 8), table = r.c.rowPointer(rope.getTable(), r.row);
  Value cosine = k.loadWide(k.f32(), k.at(table, angle), 4);
  Value sine = k.loadWide(k.f32(), k.at(k.at(table, angle), 4), 4);
  Value x = r.get(rope.getInput(), column), y = r.get(rope.getInput(), other);
  Value signedSine = k.select(isFirst, k.subf(k.floatConstant(0.0f), sine), sine);
  return k.select(turns, k.fma(signedSine, y, k.mulf(x, cosine)), x);
}

static const GpuElementEmitterRegistration registrations[] = {
    {ir::AddOp::getOperationName(), emitAdd},
    {ir::MulOp::getOperationName(), emitMul},
    {ir::SiluOp::getOperationName(), emitUnary<emitSilu>},
    {ir::GeluTanhOp::getOperationName(), emitUnary<emitGeluTanh>},
    {ir::GeluOp::getOperationName(), emitUnary<emitGelu>},
    {ir::BiasOp::getOperationName(), emitBias},
    {ir::SplitHeadsOp::getOperationName(), emitView},
    {ir::MergeHeadsOp::getOperationName(), emitView},
    {ir::RMSNormOp::getOperationName(), emitHeadNorm},
    {ir::RopeOp::getOperationName(), emitRope},
};
