//===- QuantBits.cpp - Quants of 4 to 6 bits in panels ---------------------===//

#include "compiler/target/cpu/formats/QuantBits.h"

using namespace mlir;
using namespace lathe::compiler;

Value lathe::compiler::loadHalves(KernelBuilder &k, Value pointer) {
  return k.extend(k.load(k.vec(k.builder().getF16Type()), pointer));
}

Value lathe::compiler::loadHalf(KernelBuilder &k, Value pointer) {
  Value half = k.load(k.builder().getF16Type(), pointer);
  return arith::ExtFOp::create(k.builder(), k.getLoc(), k.f32(), half);
}

/// Bits of integer lanes, moved up by `bits`, or down where that is negative.
static Value shift(KernelBuilder &k, Value vector, int64_t bits) {
  auto type = cast<VectorType>(vector.getType());
  if (bits == 0)
    return vector;
  Value count = k.splatInt(type.getElementType(), std::abs(bits), type.getNumElements());
  if (bits > 0)
    return arith::ShLIOp::create(k.builder(), k.getLoc(), vector, count);
  return arith::ShRUIOp::create(k.builder(), k.getLoc(), vector, count);
}

Value lathe::compiler::shiftAndMask(KernelBuilder &k, Value vector, int64_t up, int64_t mask) {
  auto type = cast<VectorType>(vector.getType());
  Value splat = k.splatInt(type.getElementType(), mask, type.getNumElements());
  return arith::AndIOp::create(k.builder(), k.getLoc(), shift(k, vector, up), splat);
}

Value lathe::compiler::shiftAndMaskBytes(KernelBuilder &k, Value words, int64_t up, int64_t mask) {
  // What a shift brings in from the next byte is masked away.
  return shiftAndMask(k, words, up, static_cast<int32_t>(mask * 0x01010101u));
}

Value lathe::compiler::asBytes(KernelBuilder &k, Value words) {
  return k.bitcast(words, k.vec(k.i8(), 4 * Lanes));
}

static Value combine(KernelBuilder &k, Value low, Value high) {
  return arith::OrIOp::create(k.builder(), k.getLoc(), low, high);
}

void QuantBits::unpackQuads(KernelBuilder &k, Value block, Value group,
                            llvm::function_ref<void(int64_t, Value)> use) const {
  VectorType words = k.vec(k.i32());
  for (int64_t j = 0; j < 4; ++j) {
    Value both = k.load(words, k.at(block, k.mul(group, 64), 128 * j));
    for (int64_t quad : {2 * j, 2 * j + 1}) {
      Value q = shiftAndMaskBytes(k, both, -4 * (quad % 2), 15);
      if (extra != 0) {
        Value planes = k.load(words, k.at(block, k.mul(group, 64), plane(quad)));
        q = combine(k, q, shiftAndMaskBytes(k, planes, 4 - firstBit(quad), greatest() - 15));
      }
      use(quad, asBytes(k, q));
    }
  }
}

/// Quants of which `low` has four bits, in i32 lanes, and byte `byte` of the lanes
/// of `planes` the others; as f32.
Value QuantBits::join(KernelBuilder &k, Value low, Value planes, int64_t quad, int64_t byte) const {
  if (extra != 0)
    low = combine(k, low, shiftAndMask(k, planes, 4 - firstBit(quad) - 8 * byte, greatest() - 15));
  return k.toFloat(low);
}

void QuantBits::unpack(KernelBuilder &k, Value block, Value group,
                       llvm::function_ref<void(int64_t, Value)> use) const {
  for (int64_t quad = 0; quad < Elements / 4; ++quad) {
    Value nibbles = k.load(k.vec(k.i32()), k.at(block, k.mul(group, 64), quad / 2 * 128));
    Value planes =
        extra ? k.load(k.vec(k.i32()), k.at(block, k.mul(group, 64), plane(quad))) : Value();
    for (int64_t byte = 0; byte < 4; ++byte) {
      Value low = shiftAndMask(k, nibbles, -8 * byte - 4 * (quad % 2), 15);
      use(4 * quad + byte, join(k, low, planes, quad, byte));
    }
  }
}

void QuantBits::gather(KernelBuilder &k, Value block, Value lane,
                       llvm::function_ref<void(int64_t, Value)> use) const {
  Value row = k.at(block, k.mul(lane, 4));
  auto load = [&](int64_t offset) -> Value {
    Value bytes = k.load(k.vec(k.i8(), 4), k.at(row, offset));
    return arith::ExtUIOp::create(k.builder(), k.getLoc(), k.vec(k.i32(), 4), bytes);
  };
  for (int64_t quad = 0; quad < Elements / 4; ++quad) {
    Value low = shiftAndMask(k, load(128 * (quad / 2)), -4 * (quad % 2), 15);
    use(quad, join(k, low, extra ? load(plane(quad)) : Value(), quad, 0));
  }
}
