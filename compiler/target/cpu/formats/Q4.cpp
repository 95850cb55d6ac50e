//===- Q4.cpp - Q4_0 and Q4_1 weights --------------------------------------===//

#include "compiler/target/cpu/WeightFormat.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Per block of 32 k: 4 x 2 vectors of 64 bytes (vector 2j + group; a byte holds
/// k = 8j + q low and 8j + 4 + q high, at 4 * row + q), then f16 d[32] and, for
/// Q4_1, f16 m[32].
class NibbleFormat final : public WeightFormat {
public:
  NibbleFormat(bool hasMinimum) : hasMinimum(hasMinimum) {}
  int64_t stepElements() const override { return 32; }
  int64_t stepBytes() const override { return 512 + 64 * (hasMinimum ? 2 : 1); }
  std::optional<Int8Weights> int8Weights() const override {
    return Int8Weights{hasMinimum ? 0 : 8, 15};
  }

  Value scale(KernelBuilder &k, Value step, int64_t group) const override {
    return halves(k, k.at(step, 512 + 32 * group));
  }

  Value minimum(KernelBuilder &k, Value step, int64_t group) const override {
    return hasMinimum ? halves(k, k.at(step, 576 + 32 * group)) : Value();
  }

  void unpackInt8(KernelBuilder &k, Value step, int64_t group,
                  llvm::function_ref<void(int64_t, Value)> use) const override {
    Value mask = k.splatInt(k.i8(), 15, 64);
    VectorType bytes = k.vec(k.i8(), 64), words = k.vec(k.builder().getI16Type(), 32);
    for (int64_t j = 0; j < 4; ++j) {
      Value both = k.load(bytes, k.at(step, 64 * (2 * j + group)));
      use(2 * j, arith::AndIOp::create(k.builder(), k.getLoc(), both, mask));
      Value shifted = arith::ShRUIOp::create(k.builder(), k.getLoc(), k.bitcast(both, words),
                                             k.splatInt(words.getElementType(), 4, 32));
      use(2 * j + 1,
          arith::AndIOp::create(k.builder(), k.getLoc(), k.bitcast(shifted, bytes), mask));
    }
  }

  void unpack(KernelBuilder &k, Value step, int64_t group,
              llvm::function_ref<void(int64_t, Value)> use) const override {
    Value d = scale(k, step, group), m = minimum(k, step, group);
    for (int64_t j = 0; j < 4; ++j) {
      Value quads = k.load(k.vec(k.i32()), k.at(step, 64 * (2 * j + group)));
      for (int64_t high : {0, 1})
        for (int64_t q = 0; q < 4; ++q)
          use(8 * j + 4 * high + q, dequantize(k, field(k, quads, 8 * q + 4 * high), d, m));
    }
  }

  void gather(KernelBuilder &k, Value step, Value lane, Value destination) const override {
    Value group = k.div(lane, Lanes), row = k.rem(lane, Lanes);
    Value quads = k.at(k.at(step, k.mul(group, 64)), k.mul(row, 4));
    Value d = k.broadcast(half(k, step, lane, 512), 4);
    Value m = hasMinimum ? k.broadcast(half(k, step, lane, 576), 4) : Value();
    for (int64_t j = 0; j < 4; ++j) {
      Value bytes = k.load(k.vec(k.i8(), 4), k.at(quads, 128 * j));
      Value wide = arith::ExtUIOp::create(k.builder(), k.getLoc(), k.vec(k.i32(), 4), bytes);
      for (int64_t high : {0, 1})
        k.store(dequantize(k, field(k, wide, 4 * high), d, m),
                k.at(destination, 4 * (8 * j + 4 * high)));
    }
  }

private:
  static Value halves(KernelBuilder &k, Value pointer) {
    return k.extend(k.load(k.vec(k.builder().getF16Type()), pointer));
  }

  static Value half(KernelBuilder &k, Value step, Value lane, int64_t offset) {
    Value pointer = k.at(k.at(step, offset), k.mul(lane, 2));
    Value value = k.load(k.builder().getF16Type(), pointer);
    return arith::ExtFOp::create(k.builder(), k.getLoc(), k.f32(), value);
  }

  /// The 4 bits from `shift` of every lane, as f32.
  static Value field(KernelBuilder &k, Value quads, int64_t shift) {
    int64_t lanes = cast<VectorType>(quads.getType()).getNumElements();
    if (shift != 0)
      quads =
          arith::ShRUIOp::create(k.builder(), k.getLoc(), quads, k.splatInt(k.i32(), shift, lanes));
    Value bits =
        arith::AndIOp::create(k.builder(), k.getLoc(), quads, k.splatInt(k.i32(), 15, lanes));
    return k.toFloat(bits);
  }

  Value dequantize(KernelBuilder &k, Value q, Value d, Value m) const {
    int64_t lanes = cast<VectorType>(q.getType()).getNumElements();
    if (hasMinimum)
      return k.addf(k.mulf(q, d), m);
    return k.mulf(k.subf(q, k.splat(8.0f, lanes)), d);
  }

  bool hasMinimum;
};

const NibbleFormat q40(false), q41(true);
WeightFormatRegistration registerQ40("q4_0", q40), registerQ41("q4_1", q41);

} // namespace
