//===- GpuTensorWeights.cpp - Weights as operands of tensor cores ----------===//

#include "compiler/target/nvptx/GpuTensorWeights.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static int64_t lanesOf(Value vector) { return cast<VectorType>(vector.getType()).getNumElements(); }

/// A product for each two of the lane's rows, of one or two vectors with a word for each row.
static SmallVector<SmallVector<Value>, 2> fragmentsOf(GpuBuilder &k, ArrayRef<Value> words) {
  SmallVector<SmallVector<Value>, 2> result(lanesOf(words.front()) / 2);
  for (int64_t pair = 0; pair < static_cast<int64_t>(result.size()); ++pair)
    for (Value word : words)
      for (int64_t row : {0, 1})
        result[pair].push_back(k.extract(word, 2 * pair + row));
  return result;
}

/// Bytes less `zero`, with a sign.
static Value subtractZero(GpuBuilder &k, Value words, int64_t zero) {
  OpBuilder &b = k.builder();
  auto splat = [&](int64_t byte) {
    return k.splatInt(k.i32(), static_cast<int32_t>(byte * 0x01010101), LaneRows);
  };
  Value top = splat(0x80);
  if (zero == 128)
    return arith::XOrIOp::create(b, k.getLoc(), words, top);
  if (zero == 0)
    return words;
  // The top bit of each byte, which is free, keeps it from borrowing.
  Value raised = arith::OrIOp::create(b, k.getLoc(), words, top);
  return arith::XOrIOp::create(b, k.getLoc(), k.sub(raised, splat(zero)), top);
}

TensorWeights lathe::compiler::emitInt8Weights(GpuBuilder &k, const GpuIntegerFormat &integers,
                                               const GpuBlock &block, Value member) {
  TensorWeights result;
  int64_t halves = 32 / integers.scaleElements();
  for (int64_t half = 0; half < halves; ++half) {
    SmallVector<Value> words;
    for (int64_t i = 0; i < 2 / halves; ++i) {
      Value quad = halves == 1 ? k.add(k.mul(member, 2), i) : k.add(member, 4 * half);
      words.push_back(subtractZero(k, integers.words(k, block, quad), integers.zero()));
    }
    result.products.push_back(
        {fragmentsOf(k, words), half, integers.scales(k, block, k.constant(4 * half))});
  }
  result.minimums = integers.minimums(k, block);
  return result;
}

/// The upper halves of f32 as words of two: those of `low` and of `high`.
static Value packUpper(GpuBuilder &k, Value low, Value high) {
  OpBuilder &b = k.builder();
  VectorType words = k.vec(k.i32(), lanesOf(low));
  Value first = k.shiftRight(k.bitcast(low, words), k.integer(16));
  Value second = k.mask(k.bitcast(high, words), static_cast<int32_t>(0xffff0000));
  return arith::OrIOp::create(b, k.getLoc(), first, second);
}

/// What is left of f32 behind their upper halves.
static Value lowerPart(GpuBuilder &k, Value x) {
  int64_t lanes = lanesOf(x);
  Value bits = k.mask(k.bitcast(x, k.vec(k.i32(), lanes)), static_cast<int32_t>(0xffff0000));
  return k.subf(x, k.bitcast(bits, k.vec(k.f32(), lanes)));
}

/// Words of A for 16 k, of one or two parts.
static SmallVector<SmallVector<Value>, 2> splitWeights(GpuBuilder &k, const GpuFormat &format,
                                                       const GpuBlock &block, Value member,
                                                       int64_t half) {
  constexpr int64_t each = 4;
  if (format.floats && format.floats->isPairs()) {
    SmallVector<Value> words;
    for (int64_t i = 0; i < 2; ++i) {
      Value pair = k.add(k.mul(member, 2), i + 8 * half);
      words.push_back(loadWords(k, block, k.at(block.block, k.mul(pair, PanelRows * 4))));
    }
    return {words};
  }
  SmallVector<Value> own;
  Value first = k.add(k.mul(member, each), 16 * half), quad = k.add(member, 4 * half);
  Value words = format.integer ? format.integer->words(k, block, quad) : Value();
  for (int64_t i = 0; i < each; ++i)
    own.push_back(format.integer ? emitDequantized(k, *format.integer, block, words,
                                                   k.constant(4 * half), k.constant(i))
                                 : format.floats->weights(k, block, k.add(first, i)));
  SmallVector<SmallVector<Value>, 2> parts;
  for (int64_t part = 0; part < 2; ++part) {
    parts.push_back({packUpper(k, own[0], own[1]), packUpper(k, own[2], own[3])});
    for (Value &x : own)
      x = lowerPart(k, x);
  }
  return parts;
}

TensorWeights lathe::compiler::emitBF16Weights(GpuBuilder &k, const GpuFormat &format,
                                               const GpuBlock &block, Value member,
                                               int64_t elements) {
  TensorWeights result;
  for (int64_t half = 0; half < elements / 16; ++half)
    for (ArrayRef<Value> words : splitWeights(k, format, block, member, half))
      result.products.push_back({fragmentsOf(k, words), half, {}});
  return result;
}
