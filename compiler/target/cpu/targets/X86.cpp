//===- X86.cpp - x86-64 with AVX2, and with AVX-512 ------------------------===//

#include "compiler/target/cpu/CpuTarget.h"

using namespace mlir;
using namespace lathe::compiler;

/// vpmaddwd, on each half.
static Value emitMultiplyAdd(KernelBuilder &k, Value sums, Value words, Value factors) {
  Value halves[2];
  for (int64_t half : {0, 1})
    halves[half] =
        k.intrinsic("llvm.x86.avx2.pmadd.wd", k.vec(k.i32(), Lanes / 2),
                    {k.slice(words, half * Lanes, Lanes), k.slice(factors, half * Lanes, Lanes)});
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, Lanes));
  return k.add(sums, k.shuffle(halves[0], halves[1], order));
}

/// vpdpwssd.
static Value emitInt16Dot(KernelBuilder &k, Value sums, Value words, Value factors) {
  return k.intrinsic("llvm.x86.avx512.vpdpwssd.512", sums.getType(), {sums, words, factors});
}

/// vpdpbusd.
static Value emitByteDot(KernelBuilder &k, Value sums, Value rows, Value weights) {
  return k.intrinsic("llvm.x86.avx512.vpdpbusd.512", sums.getType(), {sums, rows, weights});
}

/// vdpbf16ps.
static Value emitBF16Dot(KernelBuilder &k, Value sums, Value weights, Value rows) {
  return k.intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", sums.getType(), {sums, weights, rows});
}

/// vcvtneps2bf16.
static Value emitRoundToBF16(KernelBuilder &k, Value x) {
  int64_t lanes = cast<VectorType>(x.getType()).getNumElements();
  return arith::TruncFOp::create(k.builder(), k.getLoc(), k.vec(k.builder().getBF16Type(), lanes),
                                 x);
}

// The numbers of a core: two multiply-adds, products or loads a cycle, four cycles for a
// multiply-add alone.  "lathe inspect MODEL --schedule --target host:measured" shows those
// of a machine; with AVX2 they were seen on a Zen 3.  A Zen 5 decodes 5 % faster when it
// asks for weights four times as far ahead, and takes three quarters of the time for 8 rows.
//
// Features are all that LLVM may use for the cpu, beyond what every x86-64 has, but
// for those of no use to computing: one that is masked is told, not guessed.

static CpuTargetRegistration avx2({
    .name = "x86-64-v3",
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
    .int8Dot = createAVX2Dot(),
    .int16Dot = emitMultiplyAdd,
});

static CpuTargetRegistration avx512({
    .name = "x86-64-v4",
    .cpu = "x86-64-v4",
    .features = {"avx",      "avx2",    "avx512bf16", "avx512bw",   "avx512cd",
                 "avx512dq", "avx512f", "avx512vl",   "avx512vnni", "bmi",
                 "bmi2",     "f16c",    "fma",        "lzcnt",      "movbe",
                 "popcnt",   "sse3",    "sse4.1",     "sse4.2",     "ssse3"},
    .vectorBits = 512,
    .registers = 32,
    .multiplyAddTime = 120,
    .multiplyAddLatency = 964,
    .int8StepTime = 120,
    .loadTime = 120,
    .nearestCacheBytes = 32 << 10,
    .prefetchBytes = 8192,
    .int8Dot = createVNNIDot(),
    .int16Dot = emitInt16Dot,
    .byteDot = emitByteDot,
    .bf16Dot = emitBF16Dot,
    .roundToBF16 = emitRoundToBF16,
    .scalesByPowers = true,
});
