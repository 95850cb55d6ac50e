//===- Q8.cpp - Q8_0 weights -----------------------------------------------===//

#include "compiler/target/cpu/WeightFormat.h"
#include "compiler/target/cpu/formats/QuantBits.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// The weight of a byte, in each lane.
static Value dequantize(KernelBuilder &k, Value q, Value d) {
  int64_t lanes = cast<VectorType>(q.getType()).getNumElements();
  return k.mulf(k.subf(q, k.splat(128.0f, lanes)), d);
}

namespace {

/// Per block of 32 k: 8 x 2 vectors of 64 bytes (vector 2j + group; byte
/// 4 * row + q is weight k = 4j + q plus 128), then f16 d[32].
class ByteFormat final : public WeightFormat {
public:
  int64_t blockElements() const override { return 32; }
  int64_t blockBytes() const override { return 1088; }
  std::optional<Int8Weights> int8Weights() const override { return Int8Weights{128, 255}; }

  Value scale(KernelBuilder &k, const PanelBlock &block, int64_t group) const override {
    return loadHalves(k, k.at(block.place, 1024 + 32 * group));
  }

  void unpackInt8(KernelBuilder &k, const PanelBlock &block, int64_t group,
                  llvm::function_ref<void(int64_t, Value)> use) const override {
    for (int64_t j = 0; j < 8; ++j)
      use(j, k.load(k.vec(k.i8(), 64), k.at(block.place, 64 * (2 * j + group))));
  }

  void unpack(KernelBuilder &k, const PanelBlock &block, int64_t group,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value d = scale(k, block, group);
    for (int64_t j = 0; j < 8; ++j) {
      Value quads = k.load(k.vec(k.i32()), k.at(block.place, 64 * (2 * j + group)));
      for (int64_t q = 0; q < 4; ++q)
        use(4 * j + q, dequantize(k, k.toFloat(k.field(quads, 8 * q, 8)), d));
    }
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    Value quads = k.at(step.place, k.mul(lane, 4));
    Value d = k.broadcast(loadHalf(k, k.at(k.at(step.place, 1024), k.mul(lane, 2))), 4);
    for (int64_t j = 0; j < 8; ++j) {
      Value bytes = k.load(k.vec(k.i8(), 4), k.at(quads, 128 * j));
      Value wide = arith::ExtUIOp::create(k.builder(), k.getLoc(), k.vec(k.i32(), 4), bytes);
      k.store(dequantize(k, k.toFloat(wide), d), k.at(destination, 16 * j));
    }
  }
};

/// In front f32 certificate[32].  Per block of 32 k the upper five bits of the bytes, as the
/// quants of q5_0, then f16 d[32]; behind all blocks the lower three bits of each.
class PlanesFormat final : public WeightFormat {
public:
  int64_t blockElements() const override { return 32; }
  int64_t blockBytes() const override { return upper.bytes() + 64; }
  int64_t frontBytes() const override { return 128; }
  int64_t tailBytes() const override { return 384; }
  std::optional<Int8Weights> int8Weights() const override { return Int8Weights{128, 255}; }

  Value scale(KernelBuilder &k, const PanelBlock &block, int64_t group) const override {
    return loadHalves(k, k.at(block.place, upper.bytes() + 32 * group));
  }

  void unpackInt8(KernelBuilder &k, const PanelBlock &block, int64_t group,
                  llvm::function_ref<void(int64_t, Value)> use) const override {
    auto lower = [&](int64_t offset) {
      return k.load(k.vec(k.i8(), 64), k.at(block.tail, offset + 64 * group));
    };
    upper.unpackQuads(k, block.place, group, [&](int64_t j, Value high) {
      Value pair = shiftAndMaskBytes(k, lower(128 * (j / 4)), -2 * (j % 4), 3);
      Value third = shiftAndMaskBytes(k, lower(256), 2 - j, 4);
      use(j, join(k, shiftAndMaskBytes(k, high, 3, 0xf8), pair, third));
    });
  }

  void unpack(KernelBuilder &k, const PanelBlock &block, int64_t group,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value d = scale(k, block, group);
    unpackInt8(k, block, group, [&](int64_t j, Value bytes) {
      Value quads = k.bitcast(bytes, k.vec(k.i32()));
      for (int64_t q = 0; q < 4; ++q)
        use(4 * j + q, dequantize(k, k.toFloat(k.field(quads, 8 * q, 8)), d));
    });
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    Value row = k.at(step.tail, k.mul(lane, 4));
    Value d = k.broadcast(loadHalf(k, k.at(k.at(step.place, upper.bytes()), k.mul(lane, 2))), 4);
    auto lower = [&](int64_t offset) -> Value {
      Value bytes = k.load(k.vec(k.i8(), 4), k.at(row, offset));
      return arith::ExtUIOp::create(k.builder(), k.getLoc(), k.vec(k.i32(), 4), bytes);
    };
    upper.gather(k, step.place, lane, [&](int64_t j, Value high) {
      Value pair = shiftAndMask(k, lower(128 * (j / 4)), -2 * (j % 4), 3);
      Value low = arith::OrIOp::create(k.builder(), k.getLoc(), pair,
                                       shiftAndMask(k, lower(256), 2 - j, 4));
      // Integers below 256: exact.
      Value byte = k.addf(k.mulf(high, k.splat(8.0f, 4)), k.toFloat(low));
      k.store(dequantize(k, byte, d), k.at(destination, 16 * j));
    });
  }

private:
  static Value join(KernelBuilder &k, Value high, Value pair, Value third) {
    Value low = arith::OrIOp::create(k.builder(), k.getLoc(), pair, third);
    return arith::OrIOp::create(k.builder(), k.getLoc(), high, low);
  }

  QuantBits upper{1};
};

const ByteFormat q80;
const PlanesFormat planes;
WeightFormatRegistration registerQ80("q8_0", q80), registerPlanes("q8_0_planes", planes);

} // namespace
