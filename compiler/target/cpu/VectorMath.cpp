//===- VectorMath.cpp - Elementary functions on vectors --------------------===//
//
// Range reduction after Cody and Waite (1980), polynomials from the Taylor
// series, long enough for f32 on the reduced range.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe::compiler;

static int64_t lanesOf(Value x) { return cast<VectorType>(x.getType()).getNumElements(); }

static Value roundEven(KernelBuilder &k, Value x) {
  return LLVM::RoundEvenOp::create(k.builder(), k.getLoc(), x.getType(), x);
}

static Value toInt(KernelBuilder &k, Value x) {
  return arith::FPToSIOp::create(k.builder(), k.getLoc(), k.vec(k.i32(), lanesOf(x)), x);
}

/// Horner's rule, highest coefficient first.
static Value polynomial(KernelBuilder &k, Value x, ArrayRef<float> coefficients) {
  Value result = k.splat(coefficients.front(), lanesOf(x));
  for (float coefficient : coefficients.drop_front())
    result = k.fma(result, x, k.splat(coefficient, lanesOf(x)));
  return result;
}

/// x 2^n for n within [-126, 127], through the exponent bits.
static Value scaleByBits(KernelBuilder &k, Value x, Value n) {
  int64_t lanes = lanesOf(x);
  Value biased = k.add(n, k.splatInt(k.i32(), 127, lanes));
  Value bits =
      arith::ShLIOp::create(k.builder(), k.getLoc(), biased, k.splatInt(k.i32(), 23, lanes));
  return k.mulf(x, k.bitcast(bits, k.vec(k.f32(), lanes)));
}

/// x 2^n for any n.
static Value scaleByPower(KernelBuilder &k, Value x, Value n) {
  std::string lanes = "v" + std::to_string(lanesOf(x));
  return k.intrinsic("llvm.ldexp." + lanes + "f32." + lanes + "i32", x.getType(), {x, n});
}

constexpr float LeastExponent = -87.0f, GreatestExponent = 88.0f;

Value lathe::compiler::emitExp(KernelBuilder &k, Value x) {
  int64_t lanes = lanesOf(x);
  Value high = k.splat(GreatestExponent, lanes);
  Value low = k.select(k.compare(arith::CmpFPredicate::OLT, x, high), x, high);
  return emitExpOfNegative(k, low);
}

Value lathe::compiler::emitExpOfNegative(KernelBuilder &k, Value x) {
  int64_t lanes = lanesOf(x);
  // Of less, x 2^n is below half of the least number there is.
  Value low = k.splat(k.scalesByPowers ? -104.0f : LeastExponent, lanes);
  Value bounded = k.maxf(x, low);
  Value n = emitNearestInt(k, k.mulf(bounded, k.splat(1.44269504f, lanes)));
  Value whole = k.toFloat(n);
  Value r = k.fma(whole, k.splat(-0.693145752f, lanes), bounded);
  r = k.fma(whole, k.splat(-1.42860677e-6f, lanes), r);
  Value p = polynomial(k, r, {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f});
  if (k.scalesByPowers)
    return scaleByPower(k, p, n);
  Value tooSmall = k.compare(arith::CmpFPredicate::OLT, x, low);
  return k.select(tooSmall, k.splat(0.0f, lanes), scaleByBits(k, p, n));
}

Value lathe::compiler::emitSilu(KernelBuilder &k, Value x) {
  int64_t lanes = lanesOf(x);
  Value e = emitExp(k, k.subf(k.splat(0.0f, lanes), x));
  return k.divf(x, k.addf(k.splat(1.0f, lanes), e));
}

Value lathe::compiler::emitGeluTanh(KernelBuilder &k, Value x) {
  int64_t lanes = lanesOf(x);
  // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)), and the right side has no difference
  // of numbers near each other.
  constexpr float linear = -1.59576912f, cubic = linear * 0.044715f;
  Value slope = k.fma(k.mulf(x, x), k.splat(cubic, lanes), k.splat(linear, lanes));
  Value e = emitExp(k, k.mulf(x, slope));
  return k.divf(x, k.addf(k.splat(1.0f, lanes), e));
}

/// Phi(-|x|), the normal distribution's lower tail, by Abramowitz and Stegun's 7.1.26
/// (Hastings, 1955), whose error is below 1.5e-7.
static Value emitLowerTail(KernelBuilder &k, Value size) {
  int64_t lanes = lanesOf(size);
  constexpr float slope = 0.3275911f * 0.707106781f;
  Value one = k.splat(1.0f, lanes);
  Value t = k.divf(one, k.fma(size, k.splat(slope, lanes), one));
  Value p = polynomial(k, t,
                       {0.5f * 1.061405429f, -0.5f * 1.453152027f, 0.5f * 1.421413741f,
                        -0.5f * 0.284496736f, 0.5f * 0.254829592f});
  Value power = emitExp(k, k.mulf(k.mulf(size, size), k.splat(-0.5f, lanes)));
  return k.mulf(k.mulf(p, t), power);
}

Value lathe::compiler::emitGelu(KernelBuilder &k, Value x) {
  int64_t lanes = lanesOf(x);
  // x Phi(x) is -|x| Phi(-|x|) below zero and x more than that above.
  Value size = emitAbs(k, x), positive = k.maxf(x, k.splat(0.0f, lanes));
  return k.subf(positive, k.mulf(size, emitLowerTail(k, size)));
}

Value lathe::compiler::emitInverseRMS(KernelBuilder &k, Value squares, Value elements, Value eps) {
  Value mean = k.divf(k.reduceAdd(squares), elements);
  Value root = LLVM::SqrtOp::create(k.builder(), k.getLoc(), k.f32(), k.addf(mean, eps));
  return k.broadcast(k.divf(k.floatConstant(1.0f), root), lanesOf(squares));
}

std::pair<Value, Value> lathe::compiler::emitSinCos(KernelBuilder &k, Value x) {
  int64_t lanes = lanesOf(x);
  OpBuilder &b = k.builder();
  Location loc = k.getLoc();
  Value n = roundEven(k, k.mulf(x, k.splat(0.636619772f, lanes)));
  // pi/2 in three parts, so that the difference keeps its low bits.
  Value r = k.fma(n, k.splat(-1.57079637f, lanes), x);
  r = k.fma(n, k.splat(4.37113883e-8f, lanes), r);
  r = k.fma(n, k.splat(1.71512451e-15f, lanes), r);
  Value r2 = k.mulf(r, r);
  Value sine = polynomial(k, r2, {1.0f / 362880, -1.0f / 5040, 1.0f / 120, -1.0f / 6, 1.0f});
  sine = k.mulf(sine, r);
  Value cosine =
      polynomial(k, r2, {-1.0f / 3628800, 1.0f / 40320, -1.0f / 720, 1.0f / 24, -0.5f, 1.0f});
  // Quadrant q: odd ones swap, 1 and 2 negate the cosine, 2 and 3 the sine.
  Value q = toInt(k, n);
  auto bit = [&](Value value, int64_t mask) -> Value {
    Value masked = arith::AndIOp::create(b, loc, value, k.splatInt(k.i32(), mask, lanes));
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, masked,
                                 k.splatInt(k.i32(), 0, lanes));
  };
  Value swap = bit(q, 1);
  Value negateSine = bit(q, 2);
  Value negateCosine = bit(k.add(q, k.splatInt(k.i32(), 1, lanes)), 2);
  Value zero = k.splat(0.0f, lanes);
  Value s = k.select(swap, cosine, sine), c = k.select(swap, sine, cosine);
  return {k.select(negateSine, k.subf(zero, s), s), k.select(negateCosine, k.subf(zero, c), c)};
}

Value lathe::compiler::emitRoundBF16(KernelBuilder &k, Value x) {
  OpBuilder &b = k.builder();
  int64_t lanes = cast<VectorType>(x.getType()).getNumElements();
  Value bits = k.bitcast(x, k.vec(k.i32(), lanes)), sixteen = k.splatInt(k.i32(), 16, lanes);
  Value upper = arith::ShRUIOp::create(b, k.getLoc(), bits, sixteen);
  Value odd = arith::AndIOp::create(b, k.getLoc(), upper, k.splatInt(k.i32(), 1, lanes));
  Value rounded = k.add(k.add(bits, k.splatInt(k.i32(), 0x7fff, lanes)), odd);
  Value shifted = arith::ShRUIOp::create(b, k.getLoc(), rounded, sixteen);
  Value words = arith::TruncIOp::create(b, k.getLoc(), k.vec(b.getI16Type(), lanes), shifted);
  return k.bitcast(words, k.vec(b.getBF16Type(), lanes));
}

Value lathe::compiler::emitAbs(KernelBuilder &k, Value x) {
  return LLVM::FAbsOp::create(k.builder(), k.getLoc(), x.getType(), x);
}

Value lathe::compiler::emitNearestInt(KernelBuilder &k, Value x) {
  if (lanesOf(x) == 1)
    return toInt(k, roundEven(k, x));
  // One instruction: programs run with the mode that rounds to the nearest, even of two.
  std::string lanes = "v" + std::to_string(lanesOf(x));
  return k.intrinsic("llvm.lrint." + lanes + "i32." + lanes + "f32", k.vec(k.i32(), lanesOf(x)), x);
}

IntegerScale lathe::compiler::emitIntegerScale(KernelBuilder &k, Value greatest, int64_t limit) {
  Value most = k.floatConstant(static_cast<float>(limit)), zero = k.floatConstant(0.0f);
  Value isZero = k.compare(arith::CmpFPredicate::OEQ, greatest, zero);
  return {k.divf(greatest, most), k.select(isZero, zero, k.divf(most, greatest))};
}
