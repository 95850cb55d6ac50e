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

  Value scale(KernelBuilder &k, const PanelBlock &block) const override {
    return loadHalves(k, k.at(block.place, k.mul(block.group, 32), 1024));
  }

  void unpackInt8(KernelBuilder &k, const PanelBlock &block,
                  llvm::function_ref<void(int64_t, Value)> use) const override {
    for (int64_t j = 0; j < 8; ++j)
      use(j, k.load(k.vec(k.i8(), 64), k.at(block.place, k.mul(block.group, 64), 128 * j)));
  }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value d = scale(k, block);
    for (int64_t j = 0; j < 8; ++j) {
      Value quads = k.load(k.vec(k.i32()), k.at(block.place, k.mul(block.group, 64), 128 * j));
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

const ByteFormat q80;
WeightFormatRegistration registerQ80("q8_0", q80);

} // namespace
