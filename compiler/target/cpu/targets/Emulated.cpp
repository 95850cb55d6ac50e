//===- Emulated.cpp - AVX-512 kernels for machines without it --------------===//
//
// The tiles, layouts and control flow of x86-64-v4 with its two dot products
// written out in plain vector arithmetic, so that they can be run and compared
// on any AVX2 machine.  For tests, not for speed.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/CpuTarget.h"

using namespace mlir;
using namespace lathe::compiler;

namespace {

/// What vpdpbusd computes: u8 times s8, four neighbours to a sum.
class EmulatedDot final : public Int8Dot {
public:
  Parts prepare(KernelBuilder &, const Int8Weights &, Value quad) const override { return {quad}; }

  Parts begin(KernelBuilder &k, const Int8Weights &weights, Value sum) const override {
    Value zero = k.splatInt(k.i32(), -weights.zeroPoint);
    return {k.mul(zero, k.broadcast(sum))};
  }

  Parts step(KernelBuilder &k, const Int8Weights &, Parts accumulators, const Parts &prepared,
             Value x) const override {
    OpBuilder &b = k.builder();
    Value weights = k.bitcast(prepared[0], k.vec(k.i32())), row = k.broadcast(k.load(k.i32(), x));
    Value sum = accumulators[0];
    for (int64_t byte = 0; byte < 4; ++byte) {
      Value shifted = arith::ShRUIOp::create(b, k.getLoc(), weights, k.splatInt(k.i32(), 8 * byte));
      Value weight = arith::AndIOp::create(b, k.getLoc(), shifted, k.splatInt(k.i32(), 255));
      Value top = arith::ShLIOp::create(b, k.getLoc(), row, k.splatInt(k.i32(), 24 - 8 * byte));
      Value element = arith::ShRSIOp::create(b, k.getLoc(), top, k.splatInt(k.i32(), 24));
      sum = k.add(sum, k.mul(weight, element));
    }
    return {sum};
  }

  Value finish(KernelBuilder &, const Int8Weights &, Parts accumulators, Value) const override {
    return accumulators[0];
  }
};

/// What vdpbf16ps computes: the odd elements first.
Value emitEmulatedBF16Dot(KernelBuilder &k, Value sums, Value weights, Value rows) {
  OpBuilder &b = k.builder();
  auto half = [&](Value pairs, bool odd) -> Value {
    Value bits = k.bitcast(pairs, k.vec(k.i32()));
    Value upper =
        odd ? arith::AndIOp::create(b, k.getLoc(), bits, k.splatInt(k.i32(), -65536)).getResult()
            : arith::ShLIOp::create(b, k.getLoc(), bits, k.splatInt(k.i32(), 16)).getResult();
    return k.bitcast(upper, k.vec(k.f32()));
  };
  sums = k.fma(half(weights, true), half(rows, true), sums);
  return k.fma(half(weights, false), half(rows, false), sums);
}

CpuTargetRegistration emulated({
    .name = "x86-64-v4-emulated",
    .cpu = "x86-64-v3",
    .features = {"avx", "avx2", "bmi", "bmi2", "f16c", "fma"},
    .vectorBits = 256,
    .rowTile = 6,
    .int8Dot = std::make_shared<EmulatedDot>(),
    .bf16Dot = emitEmulatedBF16Dot,
    .emulated = true,
});

} // namespace
