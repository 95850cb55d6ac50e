//===- Int8Dot.cpp - Dot products of u8 weights and int8 rows --------------===//

#include "compiler/target/cpu/Int8Dot.h"

using namespace mlir;
using namespace lathe::compiler;

/// BlockSums in all lanes of vector<`lanes` x i16>: of both halves of the block, or
/// of the half that is `section`.
static Value loadSums(KernelBuilder &k, Value sums, bool both, int64_t section, int64_t lanes) {
  auto load = [&](int64_t half) {
    Value pair = k.broadcast(k.load(k.i32(), k.at(sums, 4 * half)), lanes / 2);
    return k.bitcast(pair, k.vec(k.i16(), lanes));
  };
  return both ? k.add(load(0), load(1)) : load(section);
}

namespace {

/// Works on the two 32-byte parts of a quad.
///
/// Small weights are summed in int16, two lanes to an output: lane p = 0, 1 takes
/// the k of which k % 4 / 2 is p.  A section starts from what the zero point takes
/// off; int16 wraps around, so that only the result must fit.
class AVX2Dot final : public Int8Dot {
public:
  int64_t sectionQuads(const Int8Weights &weights) const override {
    if (weights.scaledHalves)
      return QuadsOfHalf;
    return !isSmall(weights) || fits(weights, QuadsOfBlock) ? QuadsOfBlock : QuadsOfHalf;
  }

  Parts prepare(KernelBuilder &k, const Int8Weights &weights, Value quad) const override {
    Value low = k.slice(quad, 0, 32), high = k.slice(quad, 32, 32);
    if (isSmall(weights))
      return {low, high};
    // vpmaddubsw saturates on full-range u8 x s8, so the sign moves to x.
    Value flip = k.splatInt(k.i8(), -weights.zeroPoint, 32);
    Parts parts;
    for (Value part : {low, high}) {
      Value centred = arith::XOrIOp::create(k.builder(), k.getLoc(), part, flip);
      Value magnitude =
          LLVM::AbsOp::create(k.builder(), k.getLoc(), centred.getType(), centred, false);
      parts.append({centred, magnitude});
    }
    return parts;
  }

  /// Each scale twice, as factors of both int16 sums of an output.
  Parts prepareScales(KernelBuilder &k, Value halves) const override {
    Parts scales;
    for (int64_t half : {0, 1})
      for (int64_t part : {0, 1}) {
        SmallVector<int64_t> lanes;
        for (int64_t output = 0; output < 8; ++output)
          lanes.append(2, 16 * part + 2 * output + half);
        scales.push_back(k.shuffle(halves, halves, lanes));
      }
    return scales;
  }

  Parts begin(KernelBuilder &k, const Int8Weights &weights, int64_t section,
              Value sums) const override {
    if (!isSmall(weights))
      return Parts(2, k.splatInt(k.i32(), 0, 8));
    assert(fits(weights, sectionQuads(weights)) && "a section must fit into int16");
    if (weights.zeroPoint == 0)
      return Parts(2, k.splatInt(k.i16(), 0, 16));
    bool both = sectionQuads(weights) == QuadsOfBlock;
    Value offset =
        k.mul(loadSums(k, sums, both, section, 16), k.splatInt(k.i16(), -weights.zeroPoint, 16));
    return {offset, offset};
  }

  Parts step(KernelBuilder &k, const Int8Weights &weights, Parts accumulators,
             const Parts &prepared, Value x) const override {
    Value row = k.bitcast(k.broadcast(k.load(k.i32(), x), 8), k.vec(k.i8(), 32));
    for (unsigned part : {0, 1}) {
      if (isSmall(weights)) {
        accumulators[part] = k.add(accumulators[part], multiply(k, prepared[part], row));
        continue;
      }
      Value turned = k.intrinsic("llvm.x86.avx2.psign.b", row.getType(), {row, prepared[2 * part]});
      Value words = multiply(k, prepared[2 * part + 1], turned);
      accumulators[part] = k.add(accumulators[part], widen(k, words, ones(k)));
    }
    return accumulators;
  }

  Value finish(KernelBuilder &k, const Int8Weights &weights, int64_t section,
               const Parts &accumulators, const Parts &scales) const override {
    Parts wide = accumulators;
    for (unsigned part : {0, 1})
      if (isSmall(weights))
        wide[part] =
            widen(k, wide[part], weights.scaledHalves ? scales[2 * section + part] : ones(k));
    return k.shuffle(wide[0], wide[1], llvm::to_vector(llvm::seq<int64_t>(0, Lanes)));
  }

private:
  static bool isSmall(const Int8Weights &weights) {
    assert((weights.greatest <= 63 || weights.zeroPoint == 128) && "no other range is known");
    return weights.greatest <= 63;
  }

  /// Whether what `quads` quads add to a lane, two products each, is an int16.
  static bool fits(const Int8Weights &weights, int64_t quads) {
    int64_t size = std::max(weights.zeroPoint, weights.greatest - weights.zeroPoint);
    return quads * 2 * size * 127 <= std::numeric_limits<int16_t>::max();
  }

  static Value ones(KernelBuilder &k) { return k.splatInt(k.i16(), 1, 16); }

  /// Frozen, as LLVM else looks for bits that are known of each sum of products, which
  /// costs more than all else of translating such code.
  static Value multiply(KernelBuilder &k, Value weights, Value row) {
    Value words = k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", k.vec(k.i16(), 16), {weights, row});
    return LLVM::FreezeOp::create(k.builder(), k.getLoc(), words);
  }

  static Value widen(KernelBuilder &k, Value words, Value factors) {
    return k.intrinsic("llvm.x86.avx2.pmadd.wd", k.vec(k.i32(), 8), {words, factors});
  }
};

class VNNIDot final : public WideDot {
protected:
  Value addQuad(KernelBuilder &k, Value sums, Value weights, Value row) const override {
    // The intrinsic takes its operands as bytes since LLVM 22.
    Value bytes = k.bitcast(k.broadcast(row), k.vec(k.i8(), 64));
    return k.intrinsic("llvm.x86.avx512.vpdpbusd.512", sums.getType(), {sums, weights, bytes});
  }

  Value addPairs(KernelBuilder &k, Value words, int64_t factor) const override {
    return k.intrinsic("llvm.x86.avx512.pmaddw.d.512", k.vec(k.i32()),
                       {words, k.splatInt(k.i16(), factor, 32)});
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// WideDot
//===----------------------------------------------------------------------===//

Int8Dot::Parts WideDot::prepareScales(KernelBuilder &k, Value halves) const {
  Value both = k.bitcast(halves, k.vec(k.i32()));
  return {k.signedField(both, 0, 16), k.signedField(both, 16, 16)};
}

Int8Dot::Parts WideDot::begin(KernelBuilder &k, const Int8Weights &weights, int64_t section,
                              Value sums) const {
  if (weights.zeroPoint == 0)
    return {k.splatInt(k.i32(), 0)};
  return {addPairs(k, loadSums(k, sums, !weights.scaledHalves, section, 32), -weights.zeroPoint)};
}

Int8Dot::Parts WideDot::step(KernelBuilder &k, const Int8Weights &, Parts accumulators,
                             const Parts &prepared, Value x) const {
  return {addQuad(k, accumulators[0], prepared[0], k.load(k.i32(), x))};
}

Value WideDot::finish(KernelBuilder &k, const Int8Weights &weights, int64_t section,
                      const Parts &accumulators, const Parts &scales) const {
  return weights.scaledHalves ? k.mul(accumulators[0], scales[section]) : accumulators[0];
}

std::unique_ptr<Int8Dot> lathe::compiler::createAVX2Dot() { return std::make_unique<AVX2Dot>(); }
std::unique_ptr<Int8Dot> lathe::compiler::createVNNIDot() { return std::make_unique<VNNIDot>(); }
