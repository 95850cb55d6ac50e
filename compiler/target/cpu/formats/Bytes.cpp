//===- Bytes.cpp - Weights rounded to int8 ---------------------------------===//
//
// The layout that runtime/formats/blocks/Bytes.cpp packs.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/WeightFormat.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr int64_t Together = BlockFormat::ScaledTogether, NumberBytes = PanelRows * 4;

namespace {

class ByteFormat final : public WeightFormat {
public:
  int64_t blockElements() const override { return Together; }
  int64_t blockBytes() const override { return NumberBytes + Together * PanelRows; }
  int64_t frontBytes() const override { return NumberBytes; }

  bool storesBytes() const override { return true; }
  Value bytes(KernelBuilder &k, Value block, Value quad, Value group) const override {
    Value place = k.at(block, k.mul(quad, PanelRows * 4), frontBytes() + NumberBytes);
    return k.load(k.vec(k.i8(), 4 * Lanes), k.at(place, k.mul(group, Lanes * 4)));
  }
  Value blockScales(KernelBuilder &k, Value block, Value group) const override {
    return k.load(k.vec(k.f32()), k.at(block, k.mul(group, Lanes * 4), frontBytes()));
  }
  Value outputSums(KernelBuilder &k, Value panel, Value group) const override {
    return k.load(k.vec(k.f32()), k.at(panel, k.mul(group, Lanes * 4)));
  }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value scales = blockScales(k, block.place, block.group);
    for (int64_t quad = 0; quad < Together / 4; ++quad) {
      Value integers =
          k.bitcast(bytes(k, block.place, k.constant(quad), block.group), k.vec(k.i32()));
      for (int64_t element = 0; element < 4; ++element)
        use(4 * quad + element, k.mulf(k.toFloat(k.signedField(integers, 8 * element, 8)), scales));
    }
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    Value own = k.at(k.at(step.place, frontBytes()), k.mul(lane, 4));
    Value scale = k.load(k.vec(k.f32(), 1), own);
    k.forLoop(k.constant(0), k.constant(Together / 4), 1, [&](Value quad) {
      Value from = k.at(own, k.mul(quad, PanelRows * 4), NumberBytes);
      Value integers = k.load(k.vec(k.i32(), 1), from);
      for (int64_t element = 0; element < 4; ++element)
        k.store(k.mulf(k.toFloat(k.signedField(integers, 8 * element, 8)), scale),
                k.at(destination, k.mul(quad, 16), 4 * element));
    });
  }
};

const ByteFormat bytes;
WeightFormatRegistration registerF32("i8_f32", bytes), registerF16("i8_f16", bytes),
    registerBF16("i8_bf16", bytes);

} // namespace
