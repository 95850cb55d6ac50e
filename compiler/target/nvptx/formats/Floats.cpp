//===- Floats.cpp - F32, F16 and BF16 weights for GPUs ---------------------===//

#include "compiler/target/nvptx/GpuFormat.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// [k][32 rows].
class Rows : public GpuFloatFormat {
public:
  explicit Rows(int64_t size) : size(size) {}

  int64_t bytes() const override { return size; }
  Value weights(GpuBuilder &k, const GpuBlock &panel, Value index) const override {
    Type element = size == 4 ? k.f32() : k.builder().getF16Type();
    Value place = k.mul(k.add(k.mul(index, PanelRows), panel.row), size);
    return k.extend(
        panel.load(k, k.vec(element, panel.rows), k.at(panel.block, place), size * panel.rows));
  }

private:
  int64_t size;
};

/// [k / 2][32 rows][2].
class Pairs : public GpuFloatFormat {
public:
  int64_t bytes() const override { return 2; }
  bool isPairs() const override { return true; }
  Value weights(GpuBuilder &k, const GpuBlock &panel, Value index) const override {
    Value pairs = loadWords(k, panel, k.at(panel.block, k.mul(k.div(index, 2), PanelRows * 4)));
    auto [even, odd] = k.splitPairs(pairs);
    return k.select(k.equal(k.rem(index, 2), k.constant(0)), even, odd);
  }
};

} // namespace

static const Rows f32(4), f16(2);
static const Pairs bf16;
static const GpuFormatRegistration registrations[] = {{"f32", f32}, {"f16", f16}, {"bf16", bf16}};
