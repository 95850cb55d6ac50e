//===- Floats.cpp - f32, f16 and bf16 weights ------------------------------===//

#include "compiler/target/cpu/WeightFormat.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// [k][32] elements of a float type.
class PlainFormat final : public WeightFormat {
public:
  PlainFormat(int64_t bytes) : bytes(bytes) {}
  int64_t blockElements() const override { return 1; }
  int64_t blockBytes() const override { return PanelRows * bytes; }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    use(0,
        k.extend(k.load(k.vec(element(k)), k.at(block.place, k.mul(block.group, Lanes * bytes)))));
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    Value one = k.load(k.vec(element(k), 1), k.at(step.place, k.mul(lane, bytes)));
    k.store(k.extend(one), destination);
  }

private:
  Type element(KernelBuilder &k) const { return bytes == 4 ? k.f32() : k.builder().getF16Type(); }
  int64_t bytes;
};

/// [k / 2][32][2] bf16: a lane of 32 bits holds two consecutive k.
class PairFormat final : public WeightFormat {
public:
  int64_t blockElements() const override { return 2; }
  int64_t blockBytes() const override { return PanelRows * 4; }

  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    unpackLanes(k, k.at(block.place, k.mul(block.group, Lanes * 4)), Lanes, use);
  }

  bool storesPairs() const override { return true; }
  Value pairs(KernelBuilder &k, const PanelBlock &block) const override {
    return k.load(k.vec(k.builder().getBF16Type(), 2 * Lanes),
                  k.at(block.place, k.mul(block.group, Lanes * 4)));
  }

  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override {
    unpackLanes(k, k.at(step.place, k.mul(lane, 4)), 1,
                [&](int64_t index, Value value) { k.store(value, k.at(destination, 4 * index)); });
  }

private:
  static void unpackLanes(KernelBuilder &k, Value pointer, int64_t lanes,
                          llvm::function_ref<void(int64_t, Value)> use) {
    auto [even, odd] = k.splitPairs(k.load(k.vec(k.i32(), lanes), pointer));
    use(0, even);
    use(1, odd);
  }
};

const PlainFormat f32(4), f16(2);
const PairFormat bf16;
WeightFormatRegistration registerF32("f32", f32), registerF16("f16", f16),
    registerBF16("bf16", bf16);

} // namespace
