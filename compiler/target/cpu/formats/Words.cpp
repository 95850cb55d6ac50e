//===- Words.cpp - Weights rounded to int16 --------------------------------===//
//
// The layout that runtime/formats/blocks/Words.cpp packs.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/WeightFormat.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

class WordFormat final : public WeightFormat {
public:
  int64_t blockElements() const override { return 2; }
  int64_t blockBytes() const override { return PanelRows * 4; }
  int64_t frontBytes() const override { return PanelRows * 4; }

  bool storesWords() const override { return true; }
  Value words(KernelBuilder &k, Value block, Value group) const override {
    return k.load(k.vec(k.i16(), 2 * Lanes), k.at(block, k.mul(group, Lanes * 4), frontBytes()));
  }
  Value outputScales(KernelBuilder &k, Value panel, Value group) const override {
    return k.load(k.vec(k.f32()), k.at(panel, k.mul(group, Lanes * 4)));
  }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value pairs = k.bitcast(words(k, block.place, block.group), k.vec(k.i32()));
    dequantize(k, pairs, outputScales(k, block.panel, block.group), use);
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    Value offset = k.mul(lane, 4);
    Value pair = k.load(k.vec(k.i32(), 1), k.at(k.at(step.place, frontBytes()), offset));
    Value scale = k.load(k.vec(k.f32(), 1), k.at(step.panel, offset));
    dequantize(k, pair, scale, [&](int64_t element, Value weight) {
      k.store(weight, k.at(destination, 4 * element));
    });
  }

private:
  /// Of pairs of integers in i32 lanes.
  static void dequantize(KernelBuilder &k, Value pairs, Value scales,
                         llvm::function_ref<void(int64_t, Value)> use) {
    for (int64_t element : {0, 1})
      use(element, k.mulf(k.toFloat(k.signedField(pairs, 16 * element, 16)), scales));
  }
};

const WordFormat words;
WeightFormatRegistration registerF32("i16_f32", words), registerF16("i16_f16", words),
    registerBF16("i16_bf16", words);

} // namespace
