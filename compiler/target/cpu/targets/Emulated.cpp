//===- Emulated.cpp - AVX-512 kernels for machines without it --------------===//
//
// The tiles, layouts and control flow of x86-64-v4 with its two dot products
// written out in plain vector arithmetic, so that they can be run and compared
// on any AVX2 machine.  For tests, not for speed.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/CpuTarget.h"
#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe::compiler;

namespace {

class EmulatedDot final : public WideDot {
protected:
  /// What vpdpbusd computes: u8 times s8, four neighbours to a sum.
  Value addQuad(KernelBuilder &k, Value sums, Value weights, Value row) const override {
    Value quads = k.bitcast(weights, k.vec(k.i32())), elements = k.broadcast(row);
    for (int64_t byte = 0; byte < 4; ++byte)
      sums = k.add(sums, k.mul(k.field(quads, 8 * byte, 8), k.signedField(elements, 8 * byte, 8)));
    return sums;
  }

  /// What vpmaddwd computes.
  Value addPairs(KernelBuilder &k, Value words, int64_t factor) const override {
    Value pairs = k.bitcast(words, k.vec(k.i32()));
    Value sum = k.add(k.signedField(pairs, 0, 16), k.signedField(pairs, 16, 16));
    return k.mul(sum, k.splatInt(k.i32(), factor));
  }
};

/// What vpdpwssd computes.
Value emitEmulatedInt16Dot(KernelBuilder &k, Value sums, Value words, Value factors) {
  Value a = k.bitcast(words, k.vec(k.i32())), b = k.bitcast(factors, k.vec(k.i32()));
  for (int64_t half : {0, 16})
    sums = k.add(sums, k.mul(k.signedField(a, half, 16), k.signedField(b, half, 16)));
  return sums;
}

/// What vpdpbusd computes, of rows without a sign and weights with one.
Value emitEmulatedByteDot(KernelBuilder &k, Value sums, Value rows, Value weights) {
  Value a = k.bitcast(rows, k.vec(k.i32())), b = k.bitcast(weights, k.vec(k.i32()));
  for (int64_t byte = 0; byte < 32; byte += 8)
    sums = k.add(sums, k.mul(k.field(a, byte, 8), k.signedField(b, byte, 8)));
  return sums;
}

/// What vdpbf16ps computes: the odd elements first.
Value emitEmulatedBF16Dot(KernelBuilder &k, Value sums, Value weights, Value rows) {
  auto [evenWeights, oddWeights] = k.splitPairs(weights);
  auto [evenRows, oddRows] = k.splitPairs(rows);
  return k.fma(evenWeights, evenRows, k.fma(oddWeights, oddRows, sums));
}

CpuTargetRegistration emulated({
    .name = "x86-64-v4-emulated",
    .cpu = "x86-64-v3",
    .features = {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse3",
                 "sse4.1", "sse4.2", "ssse3"},
    .vectorBits = 256,
    .registers = 16,
    .multiplyAddTime = 159,
    .multiplyAddLatency = 1275,
    .int8StepTime = 159,
    .loadTime = 159,
    .nearestCacheBytes = 32 << 10,
    // What is chosen for x86-64-v4, whose code this shows.
    .rowTile = 6,
    .columnTile = 32,
    .floatRowTile = 8,
    .floatColumnTile = 32,
    .int8Dot = std::make_shared<EmulatedDot>(),
    .int16Dot = emitEmulatedInt16Dot,
    .byteDot = emitEmulatedByteDot,
    .bf16Dot = emitEmulatedBF16Dot,
    .roundToBF16 = emitRoundBF16,
    .emulated = true,
});

} // namespace
