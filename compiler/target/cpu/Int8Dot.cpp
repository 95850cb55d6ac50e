//===- Int8Dot.cpp - Dot products of u8 weights and int8 rows --------------===//

#include "compiler/target/cpu/Int8Dot.h"

using namespace mlir;
using namespace lathe::compiler;

namespace {

/// Works on the two 32-byte halves of a quad.
class AVX2Dot final : public Int8Dot {
public:
  Parts prepare(KernelBuilder &k, const Int8Weights &weights, Value quad) const override {
    Value low = k.slice(quad, 0, 32), high = k.slice(quad, 32, 32);
    if (isSmall(weights))
      return {low, high};
    // vpmaddubsw saturates on full-range u8 x s8, so the sign moves to x.
    Value flip = k.splatInt(k.i8(), -128, 32);
    Parts parts;
    for (Value half : {low, high}) {
      Value centred = arith::XOrIOp::create(k.builder(), k.getLoc(), half, flip);
      Value magnitude =
          LLVM::AbsOp::create(k.builder(), k.getLoc(), centred.getType(), centred, false);
      parts.append({centred, magnitude});
    }
    return parts;
  }

  Parts begin(KernelBuilder &k, const Int8Weights &weights, Value) const override {
    Value zero =
        isSmall(weights) ? k.splatInt(k.builder().getI16Type(), 0, 16) : k.splatInt(k.i32(), 0, 8);
    return {zero, zero};
  }

  Parts step(KernelBuilder &k, const Int8Weights &weights, Parts accumulators,
             const Parts &prepared, Value x) const override {
    Type i16x16 = k.vec(k.builder().getI16Type(), 16), i32x8 = k.vec(k.i32(), 8);
    Value row = k.bitcast(k.broadcast(k.load(k.i32(), x), 8), k.vec(k.i8(), 32));
    for (unsigned half : {0, 1}) {
      if (isSmall(weights)) {
        // Eight quads of products up to 2 * 15 * 127 fit into i16.
        Value pairs = k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", i16x16, {prepared[half], row});
        accumulators[half] = k.add(accumulators[half], pairs);
        continue;
      }
      Value turned = k.intrinsic("llvm.x86.avx2.psign.b", row.getType(), {row, prepared[2 * half]});
      Value pairs =
          k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", i16x16, {prepared[2 * half + 1], turned});
      accumulators[half] = k.add(accumulators[half], widen(k, pairs, i32x8));
    }
    return accumulators;
  }

  Value finish(KernelBuilder &k, const Int8Weights &weights, Parts accumulators,
               Value sum) const override {
    Type i32x8 = k.vec(k.i32(), 8);
    if (isSmall(weights))
      for (Value &half : accumulators)
        half = widen(k, half, i32x8);
    Value joined =
        k.shuffle(accumulators[0], accumulators[1], llvm::to_vector(llvm::seq<int64_t>(0, 16)));
    if (!isSmall(weights) || weights.zeroPoint == 0)
      return joined;
    Value offset = arith::MulIOp::create(k.builder(), k.getLoc(),
                                         k.splatInt(k.i32(), weights.zeroPoint), k.broadcast(sum));
    return k.sub(joined, offset);
  }

private:
  /// Small weights are summed unsigned; others are centred on zero by `prepare`.
  static bool isSmall(const Int8Weights &weights) {
    assert((weights.greatest <= 15 || weights.zeroPoint == 128) && "no other range is known");
    return weights.greatest <= 15;
  }

  static Value widen(KernelBuilder &k, Value pairs, Type i32x8) {
    Value ones = k.splatInt(k.builder().getI16Type(), 1, 16);
    return k.intrinsic("llvm.x86.avx2.pmadd.wd", i32x8, {pairs, ones});
  }
};

class VNNIDot final : public Int8Dot {
public:
  Parts prepare(KernelBuilder &, const Int8Weights &, Value quad) const override { return {quad}; }

  Parts begin(KernelBuilder &k, const Int8Weights &weights, Value sum) const override {
    if (weights.zeroPoint == 0)
      return {k.splatInt(k.i32(), 0)};
    return {arith::MulIOp::create(k.builder(), k.getLoc(), k.splatInt(k.i32(), -weights.zeroPoint),
                                  k.broadcast(sum))};
  }

  Parts step(KernelBuilder &k, const Int8Weights &, Parts accumulators, const Parts &prepared,
             Value x) const override {
    Value row = k.broadcast(k.load(k.i32(), x));
    Type i32x16 = k.vec(k.i32());
    // The intrinsic takes its operands as bytes since LLVM 22.
    Value bytes = k.bitcast(row, k.vec(k.i8(), 64));
    return {
        k.intrinsic("llvm.x86.avx512.vpdpbusd.512", i32x16, {accumulators[0], prepared[0], bytes})};
  }

  Value finish(KernelBuilder &, const Int8Weights &, Parts accumulators, Value) const override {
    return accumulators[0];
  }
};

} // namespace

std::unique_ptr<Int8Dot> lathe::compiler::createAVX2Dot() { return std::make_unique<AVX2Dot>(); }
std::unique_ptr<Int8Dot> lathe::compiler::createVNNIDot() { return std::make_unique<VNNIDot>(); }
