//===- PeakLoops.cpp - Loops that reach a processor's limits ----------------===//
//
// The empty assembly makes operands unknown to the optimiser, and results used,
// at no cost.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/PeakLoops.h"

#include "runtime/session/HostCPU.h"

#include <algorithm>

#include <immintrin.h>

using namespace lathe;
using namespace lathe::cli;

#define LATHE_AVX2 __attribute__((target("avx2,fma")))
#define LATHE_AVX512                                                                               \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16")))

/// Sums that do not wait for each other: more than latency times units.
static constexpr int Sums = PeakLoops::Sums;

LATHE_AVX2 static void multiplyF32(int64_t Rounds) {
  __m256 A[Sums], X = _mm256_set1_ps(0.5f), Y = X;
  for (__m256 &Each : A)
    Each = _mm256_setzero_ps();
  for (; Rounds > 0; --Rounds) {
    asm volatile("" : "+x"(X), "+x"(Y));
    for (__m256 &Each : A)
      Each = _mm256_fmadd_ps(X, Y, Each);
  }
  for (__m256 &Each : A)
    asm volatile("" : : "x"(Each));
}

LATHE_AVX2 static void chainF32(int64_t Rounds) {
  __m256 A = _mm256_setzero_ps(), X = _mm256_set1_ps(0.5f), Y = X;
  for (; Rounds > 0; --Rounds)
    for (int I = 0; I < Sums; ++I) {
      asm volatile("" : "+x"(X), "+x"(Y));
      A = _mm256_fmadd_ps(X, Y, A);
    }
  asm volatile("" : : "x"(A));
}

/// Eight products of u8 and s8 into i16, as the kernels for nibbles sum them.
LATHE_AVX2 static void multiplyInt8(int64_t Rounds) {
  __m256i A[Sums], X = _mm256_set1_epi8(3), Y = X;
  for (__m256i &Each : A)
    Each = _mm256_setzero_si256();
  for (; Rounds > 0; --Rounds)
    for (__m256i &Each : A) {
      // The products of one round would otherwise be computed once.
      asm volatile("" : "+x"(X), "+x"(Y));
      Each = _mm256_add_epi16(Each, _mm256_maddubs_epi16(X, Y));
    }
  for (__m256i &Each : A)
    asm volatile("" : : "x"(Each));
}

LATHE_AVX2 static void readAVX2(const uint8_t *From, size_t Bytes) {
  __m256i A[4];
  for (__m256i &Each : A)
    Each = _mm256_setzero_si256();
  for (const uint8_t *End = From + Bytes; From < End; From += 128)
    for (int I = 0; I < 4; ++I)
      A[I] = _mm256_or_si256(A[I],
                             _mm256_load_si256(reinterpret_cast<const __m256i *>(From + 32 * I)));
  for (__m256i &Each : A)
    asm volatile("" : : "x"(Each));
}

LATHE_AVX2 static void loadAVX2(int64_t Rounds) {
  alignas(64) static const float Near[Sums * 8] = {};
  for (; Rounds > 0; --Rounds)
    for (int I = 0; I < Sums; ++I) {
      __m256 Loaded;
      asm volatile("vmovaps %1, %0"
                   : "=x"(Loaded)
                   : "m"(*reinterpret_cast<const __m256 *>(Near + 8 * I)));
    }
}

LATHE_AVX512 static void loadAVX512(int64_t Rounds) {
  alignas(64) static const float Near[Sums * 16] = {};
  for (; Rounds > 0; --Rounds)
    for (int I = 0; I < Sums; ++I) {
      __m512 Loaded;
      asm volatile("vmovaps %1, %0"
                   : "=v"(Loaded)
                   : "m"(*reinterpret_cast<const __m512 *>(Near + 16 * I)));
    }
}

LATHE_AVX512 static void multiplyF32Wide(int64_t Rounds) {
  __m512 A[Sums], X = _mm512_set1_ps(0.5f), Y = X;
  for (__m512 &Each : A)
    Each = _mm512_setzero_ps();
  for (; Rounds > 0; --Rounds) {
    asm volatile("" : "+v"(X), "+v"(Y));
    for (__m512 &Each : A)
      Each = _mm512_fmadd_ps(X, Y, Each);
  }
  for (__m512 &Each : A)
    asm volatile("" : : "v"(Each));
}

LATHE_AVX512 static void chainF32Wide(int64_t Rounds) {
  __m512 A = _mm512_setzero_ps(), X = _mm512_set1_ps(0.5f), Y = X;
  for (; Rounds > 0; --Rounds)
    for (int I = 0; I < Sums; ++I) {
      asm volatile("" : "+v"(X), "+v"(Y));
      A = _mm512_fmadd_ps(X, Y, A);
    }
  asm volatile("" : : "v"(A));
}

LATHE_AVX512 static void multiplyInt8Wide(int64_t Rounds) {
  __m512i A[Sums], X = _mm512_set1_epi8(3), Y = X;
  for (__m512i &Each : A)
    Each = _mm512_setzero_si512();
  for (; Rounds > 0; --Rounds) {
    asm volatile("" : "+v"(X), "+v"(Y));
    for (__m512i &Each : A)
      Each = _mm512_dpbusd_epi32(Each, X, Y);
  }
  for (__m512i &Each : A)
    asm volatile("" : : "v"(Each));
}

LATHE_AVX512 static void multiplyBF16Wide(int64_t Rounds) {
  __m512 A[Sums];
  // 0.5 as bf16, twice.
  __m512i X = _mm512_set1_epi32(0x3f003f00), Y = X;
  for (__m512 &Each : A)
    Each = _mm512_setzero_ps();
  for (; Rounds > 0; --Rounds) {
    asm volatile("" : "+v"(X), "+v"(Y));
    for (__m512 &Each : A)
      Each = _mm512_dpbf16_ps(Each, reinterpret_cast<__m512bh>(X), reinterpret_cast<__m512bh>(Y));
  }
  for (__m512 &Each : A)
    asm volatile("" : : "v"(Each));
}

LATHE_AVX512 static void readAVX512(const uint8_t *From, size_t Bytes) {
  __m512i A[4];
  for (__m512i &Each : A)
    Each = _mm512_setzero_si512();
  for (const uint8_t *End = From + Bytes; From < End; From += 256)
    for (int I = 0; I < 4; ++I)
      A[I] = _mm512_or_si512(A[I], _mm512_load_si512(From + 64 * I));
  for (__m512i &Each : A)
    asm volatile("" : : "v"(Each));
}

const PeakLoops *cli::findPeakLoops() {
  // Two operations a lane of a sum and product: 8 lanes of f32, 32 of int8, and so on.
  // Without an instruction for bf16 it is computed as f32.
  static const PeakLoops Levels[] = {
      {{"avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512vnni", "avx512bf16"},
       {multiplyInt8Wide, 2.0 * 64 * Sums},
       {multiplyBF16Wide, 2.0 * 32 * Sums},
       {multiplyF32Wide, 2.0 * 16 * Sums},
       {chainF32Wide, 2.0 * 16 * Sums},
       {loadAVX512, Sums},
       readAVX512},
      {{"avx2", "fma"},
       {multiplyInt8, 2.0 * 32 * Sums},
       {multiplyF32, 2.0 * 8 * Sums},
       {multiplyF32, 2.0 * 8 * Sums},
       {chainF32, 2.0 * 8 * Sums},
       {loadAVX2, Sums},
       readAVX2},
  };
  for (const PeakLoops &Level : Levels)
    if (std::all_of(Level.Features.begin(), Level.Features.end(), hostHasFeature))
      return &Level;
  return nullptr;
}
