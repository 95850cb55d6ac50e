//===- SuperBlocks.cpp - Q4_K, Q5_K and Q6_K weights -----------------------===//

#include "compiler/target/cpu/WeightFormat.h"
#include "compiler/target/cpu/formats/QuantBits.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// A header for 256 k, then 8 blocks of quants with small integers behind.
class SuperBlockCode : public WeightFormat {
public:
  explicit SuperBlockCode(int64_t extraBits) : bits(extraBits) {}
  int64_t blockElements() const override { return QuantBits::Elements; }
  int64_t blockBytes() const override { return bits.bytes() + 64; }
  int64_t stepBlocks() const override { return 8; }

  void unpackInt8(KernelBuilder &k, const PanelBlock &block,
                  llvm::function_ref<void(int64_t, Value)> use) const override {
    bits.unpackQuads(k, block.place, block.group, use);
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    SmallVector<Value> header = rowHeader(k, step.place, lane);
    Value first = k.at(step.place, headerBytes());
    k.forLoop(k.constant(0), k.constant(stepBlocks()), 1, [&](Value number) {
      Value block = k.at(first, k.mul(number, blockBytes()));
      gatherBlock(k, {block, {}, header}, lane,
                  k.at(destination, k.mul(number, 4 * blockElements())));
    });
  }

protected:
  /// The header's numbers for one row, as vector<4xf32>.
  virtual SmallVector<Value> rowHeader(KernelBuilder &k, Value step, Value lane) const = 0;
  virtual void gatherBlock(KernelBuilder &k, const PanelBlock &block, Value lane,
                           Value destination) const = 0;

  QuantBits bits;
};

/// Header: f16 d[32], f16 dmin[32].  Behind the quants: u8 scale[32], u8 min[32].
class ScaledMinimumCode final : public SuperBlockCode {
public:
  using SuperBlockCode::SuperBlockCode;
  int64_t headerBytes() const override { return 128; }
  std::optional<Int8Weights> int8Weights() const override {
    return Int8Weights{0, bits.greatest()};
  }

  /// d and -dmin.
  SmallVector<Value> header(KernelBuilder &k, Value step, Value group) const override {
    Value halves = k.at(step, k.mul(group, 32));
    return {loadHalves(k, halves), negate(k, loadHalves(k, k.at(halves, 64)))};
  }

  /// These products are exact: 11 bits of a half by 6 of an integer.
  Value scale(KernelBuilder &k, const PanelBlock &block) const override {
    return k.mulf(block.header[0],
                  integers(k, k.at(block.place, k.mul(block.group, 16), bits.bytes())));
  }
  Value minimum(KernelBuilder &k, const PanelBlock &block) const override {
    return k.mulf(block.header[1],
                  integers(k, k.at(block.place, k.mul(block.group, 16), bits.bytes() + 32)));
  }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value d = scale(k, block), m = minimum(k, block);
    bits.unpack(k, block.place, block.group,
                [&](int64_t element, Value q) { use(element, k.addf(k.mulf(q, d), m)); });
  }

protected:
  SmallVector<Value> rowHeader(KernelBuilder &k, Value step, Value lane) const override {
    Value halves = k.at(step, k.mul(lane, 2));
    return {k.broadcast(loadHalf(k, halves), 4),
            negate(k, k.broadcast(loadHalf(k, k.at(halves, 64)), 4))};
  }

  void gatherBlock(KernelBuilder &k, const PanelBlock &block, Value lane,
                   Value destination) const override {
    Value place = k.at(k.at(block.place, bits.bytes()), lane);
    Value d = k.mulf(block.header[0], k.broadcast(integer(k, place), 4));
    Value m = k.mulf(block.header[1], k.broadcast(integer(k, k.at(place, 32)), 4));
    bits.gather(k, block.place, lane, [&](int64_t quad, Value q) {
      k.store(k.addf(k.mulf(q, d), m), k.at(destination, 16 * quad));
    });
  }

private:
  static Value negate(KernelBuilder &k, Value vector) {
    return arith::NegFOp::create(k.builder(), k.getLoc(), vector);
  }

  /// 16 bytes as f32, and one.
  static Value integers(KernelBuilder &k, Value pointer) {
    Value bytes = k.load(k.vec(k.i8()), pointer);
    return k.toFloat(arith::ExtUIOp::create(k.builder(), k.getLoc(), k.vec(k.i32()), bytes));
  }
  static Value integer(KernelBuilder &k, Value pointer) {
    Value byte = k.load(k.i8(), pointer);
    return arith::UIToFPOp::create(k.builder(), k.getLoc(), k.f32(), byte);
  }
};

/// Header: f16 d[32].  Behind the quants: i8 scale[32][2], for the first and the
/// last 16 k.
class ScaledHalvesCode final : public SuperBlockCode {
public:
  using SuperBlockCode::SuperBlockCode;
  int64_t headerBytes() const override { return 64; }
  std::optional<Int8Weights> int8Weights() const override {
    return Int8Weights{zeroPoint(), bits.greatest(), true};
  }

  SmallVector<Value> header(KernelBuilder &k, Value step, Value group) const override {
    return {loadHalves(k, k.at(step, k.mul(group, 32)))};
  }

  Value scale(KernelBuilder &, const PanelBlock &block) const override { return block.header[0]; }

  Value halfScales(KernelBuilder &k, const PanelBlock &block) const override {
    Value bytes =
        k.load(k.vec(k.i8(), 32), k.at(block.place, k.mul(block.group, 32), bits.bytes()));
    return arith::ExtSIOp::create(k.builder(), k.getLoc(), k.vec(k.i16(), 32), bytes);
  }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value both = k.bitcast(halfScales(k, block), k.vec(k.i32()));
    Value scales[2];
    for (int64_t half : {0, 1})
      scales[half] = k.mulf(block.header[0], k.toFloat(k.signedField(both, 16 * half, 16)));
    bits.unpack(k, block.place, block.group, [&](int64_t element, Value q) {
      use(element, dequantize(k, q, scales[element / HalfElements]));
    });
  }

protected:
  SmallVector<Value> rowHeader(KernelBuilder &k, Value step, Value lane) const override {
    return {k.broadcast(loadHalf(k, k.at(step, k.mul(lane, 2))), 4)};
  }

  void gatherBlock(KernelBuilder &k, const PanelBlock &block, Value lane,
                   Value destination) const override {
    Value place = k.at(k.at(block.place, bits.bytes()), k.mul(lane, 2)), scales[2];
    for (int64_t half : {0, 1}) {
      Value byte = k.load(k.i8(), k.at(place, half));
      Value integer = arith::SIToFPOp::create(k.builder(), k.getLoc(), k.f32(), byte);
      scales[half] = k.mulf(block.header[0], k.broadcast(integer, 4));
    }
    bits.gather(k, block.place, lane, [&](int64_t quad, Value q) {
      k.store(dequantize(k, q, scales[4 * quad / HalfElements]), k.at(destination, 16 * quad));
    });
  }

private:
  static constexpr int64_t HalfElements = QuantBits::Elements / 2;
  int64_t zeroPoint() const { return (bits.greatest() + 1) / 2; }

  Value dequantize(KernelBuilder &k, Value q, Value scale) const {
    int64_t lanes = cast<VectorType>(q.getType()).getNumElements();
    return k.mulf(scale, k.subf(q, k.splat(static_cast<float>(zeroPoint()), lanes)));
  }
};

const ScaledMinimumCode q4k(0), q5k(1);
const ScaledHalvesCode q6k(2);
WeightFormatRegistration registerQ4K("q4_k", q4k), registerQ5K("q5_k", q5k),
    registerQ6K("q6_k", q6k);

} // namespace
