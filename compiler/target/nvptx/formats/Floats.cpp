//===- Floats.cpp - F32, F16 and BF16 weights for GPUs ---------------------===//

#include "compiler/target/nvptx/GpuFormat.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// [k][32 rows].
class Rows : public GpuFloatFormat {
public:
  explicit Rows(int64_t bytes) : bytes(bytes) {}

  Value weights(GpuBuilder &k, Value panel, Value index, Value row, int64_t rows) const override {
    Type element = bytes == 4 ? k.f32() : k.builder().getF16Type();
    Value place = k.mul(k.add(k.mul(index, PanelRows), row), bytes);
    return k.extend(k.loadConstant(k.vec(element, rows), k.at(panel, place), bytes * rows));
  }

private:
  int64_t bytes;
};

/// [k / 2][32 rows][2].
class Pairs : public GpuFloatFormat {
public:
  Value weights(GpuBuilder &k, Value panel, Value index, Value row, int64_t rows) const override {
    Value place = k.mul(k.add(k.mul(k.div(index, 2), PanelRows), row), 4);
    Value pairs = k.loadConstant(k.vec(k.i32(), rows), k.at(panel, place), 4 * rows);
    auto [even, odd] = k.splitPairs(pairs);
    return k.select(k.equal(k.rem(index, 2), k.constant(0)), even, odd);
  }
};

} // namespace

static const Rows f32(4), f16(2);
static const Pairs bf16;
static const GpuFormatRegistration registrations[] = {{"f32", f32}, {"f16", f16}, {"bf16", bf16}};
