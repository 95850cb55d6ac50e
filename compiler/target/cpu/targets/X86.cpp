//===- X86.cpp - x86-64 with AVX2, and with AVX-512 ------------------------===//

#include "compiler/target/cpu/CpuTarget.h"

using namespace mlir;
using namespace lathe::compiler;

/// vdpbf16ps.
static Value emitBF16Dot(KernelBuilder &k, Value sums, Value weights, Value rows) {
  return k.intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", sums.getType(), {sums, weights, rows});
}

// 16 registers of 256 bits: two a row for the int sums of 16 outputs, four for
// the f32 sums of 32.
// Features are all that LLVM may use for the cpu, beyond what every x86-64 has, but
// for those of no use to computing: one that is masked is told, not guessed.

static CpuTargetRegistration avx2({
    .name = "x86-64-v3",
    .cpu = "x86-64-v3",
    .features = {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse3",
                 "sse4.1", "sse4.2", "ssse3"},
    .vectorBits = 256,
    .rowTile = 4,
    .floatRowTile = 3,
    .int8Dot = createAVX2Dot(),
});

static CpuTargetRegistration avx512({
    .name = "x86-64-v4",
    .cpu = "x86-64-v4",
    .features = {"avx",      "avx2",    "avx512bf16", "avx512bw",   "avx512cd",
                 "avx512dq", "avx512f", "avx512vl",   "avx512vnni", "bmi",
                 "bmi2",     "f16c",    "fma",        "lzcnt",      "movbe",
                 "popcnt",   "sse3",    "sse4.1",     "sse4.2",     "ssse3"},
    .vectorBits = 512,
    .rowTile = 6,
    .floatRowTile = 6,
    .int8Dot = createVNNIDot(),
    .bf16Dot = emitBF16Dot,
});
