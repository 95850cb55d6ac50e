//===- KernelBuilder.cpp - Builds kernel-level IR --------------------------===//

#include "compiler/target/cpu/KernelBuilder.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

Value KernelBuilder::constant(int64_t value) {
  return arith::ConstantIntOp::create(b, loc, value, 64);
}
Value KernelBuilder::add(Value a, Value c) { return b.createOrFold<arith::AddIOp>(loc, a, c); }
Value KernelBuilder::add(Value a, int64_t c) { return c == 0 ? a : add(a, constant(c)); }
Value KernelBuilder::sub(Value a, Value c) { return b.createOrFold<arith::SubIOp>(loc, a, c); }
Value KernelBuilder::mul(Value a, Value c) { return b.createOrFold<arith::MulIOp>(loc, a, c); }
Value KernelBuilder::mul(Value a, int64_t c) { return c == 1 ? a : mul(a, constant(c)); }
Value KernelBuilder::div(Value a, Value c) { return b.createOrFold<arith::DivUIOp>(loc, a, c); }
Value KernelBuilder::div(Value a, int64_t c) { return c == 1 ? a : div(a, constant(c)); }
Value KernelBuilder::rem(Value a, int64_t c) {
  return b.createOrFold<arith::RemUIOp>(loc, a, constant(c));
}
Value KernelBuilder::ceilDiv(Value a, Value c) { return div(sub(add(a, c), constant(1)), c); }
Value KernelBuilder::min(Value a, Value c) { return b.createOrFold<arith::MinSIOp>(loc, a, c); }
Value KernelBuilder::max(Value a, Value c) { return b.createOrFold<arith::MaxSIOp>(loc, a, c); }
Value KernelBuilder::less(Value a, Value c) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, a, c);
}
Value KernelBuilder::equal(Value a, Value c) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, a, c);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelBuilder::at(Value pointer, Value bytes) {
  if (APInt known; matchPattern(bytes, m_ConstantInt(&known)) && known.isSignedIntN(32))
    return at(pointer, known.getSExtValue());
  return LLVM::GEPOp::create(b, loc, ptr(), i8(), pointer, ArrayRef<LLVM::GEPArg>{bytes});
}

Value KernelBuilder::at(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  return LLVM::GEPOp::create(b, loc, ptr(), i8(), pointer,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

Value KernelBuilder::at(Value pointer, Value bytes, int64_t more) {
  if (APInt known; matchPattern(bytes, m_ConstantInt(&known)))
    return at(pointer, known.getSExtValue() + more);
  return at(at(pointer, bytes), more);
}

/// Only the element's alignment is promised: rows start at any multiple of it.
static unsigned alignmentOf(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIntOrFloat() ? std::max(1u, element.getIntOrFloatBitWidth() / 8) : 8;
}

Value KernelBuilder::load(Type type, Value pointer) {
  return LLVM::LoadOp::create(b, loc, type, pointer, alignmentOf(type));
}

void KernelBuilder::store(Value value, Value pointer) {
  LLVM::StoreOp::create(b, loc, value, pointer, alignmentOf(value.getType()));
}

void KernelBuilder::prefetch(Value pointer, int64_t bytes) {
  constexpr int64_t LineBytes = 64;
  for (int64_t offset = 0; offset < bytes; offset += LineBytes)
    LLVM::Prefetch::create(b, loc, at(pointer, offset), /*rw=*/0, /*hint=*/3, /*cache=*/1);
}

Value KernelBuilder::loadSplat(Value pointer, int64_t lanes) {
  return broadcast(load(f32(), pointer), lanes);
}

//===----------------------------------------------------------------------===//
// Vectors and floats
//===----------------------------------------------------------------------===//

Value KernelBuilder::floatConstant(float value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
}

Value KernelBuilder::splat(float value, int64_t lanes) {
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vec(f32(), lanes), value));
}

Value KernelBuilder::splatInt(Type element, int64_t value, int64_t lanes) {
  auto type = vec(element, lanes);
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(type, b.getIntegerAttr(element, value)));
}

Value KernelBuilder::broadcast(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b, loc, vec(scalar.getType(), lanes), scalar);
}

Value KernelBuilder::addf(Value a, Value c) { return arith::AddFOp::create(b, loc, a, c); }
Value KernelBuilder::subf(Value a, Value c) { return arith::SubFOp::create(b, loc, a, c); }
Value KernelBuilder::mulf(Value a, Value c) { return arith::MulFOp::create(b, loc, a, c); }
Value KernelBuilder::divf(Value a, Value c) { return arith::DivFOp::create(b, loc, a, c); }

/// One instruction on every target: the second operand where either is NaN.
Value KernelBuilder::maxf(Value a, Value c) {
  return select(compare(arith::CmpFPredicate::OGT, a, c), a, c);
}

Value KernelBuilder::fma(Value a, Value c, Value d) { return LLVM::FMAOp::create(b, loc, a, c, d); }

Value KernelBuilder::bitcast(Value vector, VectorType type) {
  return vector::BitCastOp::create(b, loc, type, vector);
}

Value KernelBuilder::slice(Value vector, int64_t offset, int64_t size) {
  // A strided slice would be turned into this by a rewriting of all kernels.
  return shuffle(vector, vector, llvm::to_vector(llvm::seq(offset, offset + size)));
}

Value KernelBuilder::shuffle(Value a, Value c, ArrayRef<int64_t> mask) {
  return vector::ShuffleOp::create(b, loc, a, c, mask);
}

Value KernelBuilder::extract(Value vector, int64_t lane) {
  return vector::ExtractOp::create(b, loc, vector, lane);
}

Value KernelBuilder::select(Value condition, Value a, Value c) {
  return arith::SelectOp::create(b, loc, condition, a, c);
}

Value KernelBuilder::compare(arith::CmpFPredicate predicate, Value a, Value c) {
  return arith::CmpFOp::create(b, loc, predicate, a, c);
}

Value KernelBuilder::extend(Value vector) {
  auto type = cast<VectorType>(vector.getType());
  if (type.getElementType().isF32())
    return vector;
  return arith::ExtFOp::create(b, loc, vec(f32(), type.getNumElements()), vector);
}

Value KernelBuilder::toFloat(Value vector) {
  auto type = cast<VectorType>(vector.getType());
  return arith::SIToFPOp::create(b, loc, vec(f32(), type.getNumElements()), vector);
}

Value KernelBuilder::field(Value vector, int64_t from, int64_t bits) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  if (from != 0)
    vector = arith::ShRUIOp::create(b, loc, vector, splatInt(i32(), from, lanes));
  if (from + bits == 32)
    return vector;
  return arith::AndIOp::create(b, loc, vector, splatInt(i32(), (int64_t(1) << bits) - 1, lanes));
}

std::pair<Value, Value> KernelBuilder::splitPairs(Value pairs) {
  auto type = cast<VectorType>(pairs.getType());
  int64_t lanes = type.getNumElements() / (type.getElementType().isBF16() ? 2 : 1);
  Value bits = bitcast(pairs, vec(i32(), lanes));
  Value even = arith::ShLIOp::create(b, loc, bits, splatInt(i32(), 16, lanes));
  Value odd = arith::AndIOp::create(b, loc, bits, splatInt(i32(), -65536, lanes));
  return {bitcast(even, vec(f32(), lanes)), bitcast(odd, vec(f32(), lanes))};
}

Value KernelBuilder::signedField(Value vector, int64_t from, int64_t bits) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  if (int64_t above = 32 - from - bits)
    vector = arith::ShLIOp::create(b, loc, vector, splatInt(i32(), above, lanes));
  return arith::ShRSIOp::create(b, loc, vector, splatInt(i32(), 32 - bits, lanes));
}

Value KernelBuilder::intrinsic(StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name), operands)
      .getResult(0);
}

Value KernelBuilder::reduce(Value vector, llvm::function_ref<Value(Value, Value)> fold) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  for (; lanes > 1; lanes /= 2)
    vector = fold(slice(vector, 0, lanes / 2), slice(vector, lanes / 2, lanes / 2));
  return extract(vector, 0);
}

Value KernelBuilder::reduceAdd(Value vector) {
  bool integer = cast<VectorType>(vector.getType()).getElementType().isInteger();
  return reduce(vector, [&](Value a, Value c) { return integer ? add(a, c) : addf(a, c); });
}

Value KernelBuilder::reduceMax(Value vector) {
  return reduce(vector, [&](Value a, Value c) { return maxf(a, c); });
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

void KernelBuilder::forLoop(Value from, Value to, Value step, Body body) {
  auto loop = scf::ForOp::create(b, loc, from, to, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value> KernelBuilder::forLoop(Value from, Value to, int64_t step, ValueRange inits,
                                          CarriedBody body) {
  auto loop = scf::ForOp::create(b, loc, from, to, constant(step), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  // A loop that carries nothing has its end already.
  if (!inits.empty())
    scf::YieldOp::create(b, loc, next);
  return llvm::to_vector(
      llvm::map_range(loop.getResults(), [](OpResult result) -> Value { return result; }));
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> then) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
}

void KernelBuilder::ifThenElse(Value condition, llvm::function_ref<void()> then,
                               llvm::function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
  b.setInsertionPointToStart(branch.elseBlock());
  otherwise();
}

int64_t lathe::compiler::commonLanes(ArrayRef<int64_t> sizes) {
  int64_t lanes = Lanes;
  while (lanes > 1 && !llvm::all_of(sizes, [&](int64_t size) { return size % lanes == 0; }))
    lanes /= 2;
  return lanes;
}
