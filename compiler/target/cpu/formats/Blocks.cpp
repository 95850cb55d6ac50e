//===- Blocks.cpp - Q4_0, Q4_1, Q5_0 and Q5_1 weights ----------------------===//

#include "compiler/target/cpu/WeightFormat.h"
#include "compiler/target/cpu/formats/QuantBits.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Per block of 32 k the quants, then f16 d[32] and, where there is a minimum,
/// f16 m[32].
class BlockFormatCode final : public WeightFormat {
public:
  BlockFormatCode(int64_t extraBits, bool hasMinimum) : bits(extraBits), hasMinimum(hasMinimum) {}
  int64_t blockElements() const override { return QuantBits::Elements; }
  int64_t blockBytes() const override { return bits.bytes() + 64 * (hasMinimum ? 2 : 1); }
  std::optional<Int8Weights> int8Weights() const override {
    return Int8Weights{zeroPoint(), bits.greatest()};
  }

  Value scale(KernelBuilder &k, const PanelBlock &block) const override {
    return loadHalves(k, k.at(block.place, k.mul(block.group, 32), bits.bytes()));
  }

  Value minimum(KernelBuilder &k, const PanelBlock &block) const override {
    return hasMinimum ? loadHalves(k, k.at(block.place, k.mul(block.group, 32), bits.bytes() + 64))
                      : Value();
  }

  void unpackInt8(KernelBuilder &k, const PanelBlock &block,
                  llvm::function_ref<void(int64_t, Value)> use) const override {
    bits.unpackQuads(k, block.place, block.group, use);
  }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value d = scale(k, block), m = minimum(k, block);
    bits.unpack(k, block.place, block.group,
                [&](int64_t element, Value q) { use(element, dequantize(k, q, d, m)); });
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    Value halves = k.at(k.at(step.place, bits.bytes()), k.mul(lane, 2));
    Value d = k.broadcast(loadHalf(k, halves), 4);
    Value m = hasMinimum ? k.broadcast(loadHalf(k, k.at(halves, 64)), 4) : Value();
    bits.gather(k, step.place, lane, [&](int64_t quad, Value q) {
      k.store(dequantize(k, q, d, m), k.at(destination, 16 * quad));
    });
  }

private:
  int64_t zeroPoint() const { return hasMinimum ? 0 : (bits.greatest() + 1) / 2; }

  Value dequantize(KernelBuilder &k, Value q, Value d, Value m) const {
    if (hasMinimum)
      return k.addf(k.mulf(q, d), m);
    int64_t lanes = cast<VectorType>(q.getType()).getNumElements();
    return k.mulf(k.subf(q, k.splat(static_cast<float>(zeroPoint()), lanes)), d);
  }

  QuantBits bits;
  bool hasMinimum;
};

const BlockFormatCode q40(0, false), q41(0, true), q50(1, false), q51(1, true);
WeightFormatRegistration registerQ40("q4_0", q40), registerQ41("q4_1", q41),
    registerQ50("q5_0", q50), registerQ51("q5_1", q51);

} // namespace
