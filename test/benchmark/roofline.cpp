//===- roofline.cpp - What this processor can do at most ------------------===//
//
//   roofline [--footprint=BYTES] [--workers=N] [--benchmark_format=json ...]
//
// Reading memory at the footprint of a model, and multiply-adds that wait for
// nothing, in the best instruction set that the processor has, with one thread and
// with N.  One multiply-add counts as two operations.
//
//===----------------------------------------------------------------------===//

#include <benchmark/benchmark.h>

#include <charconv>
#include <cstdlib>
#include <immintrin.h>
#include <string_view>

/// Makes the compiler forget what it knows of a value, at no cost.
#define LATHE_OPAQUE(Value) asm volatile("" : "+v"(Value))

/// Chains that are independent of each other: latency times throughput, and the
/// registers suffice.
static constexpr int Chains = 10;
static constexpr int Steps = 1000;

static uint64_t Footprint = uint64_t(96) << 20;
static int Workers = 2;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

[[gnu::target("avx2")]] static void readAll(const __m256i *Data, size_t Count) {
  __m256i Sum[4] = {};
  for (size_t I = 0; I + 4 <= Count; I += 4)
    for (int K = 0; K < 4; ++K)
      Sum[K] = _mm256_xor_si256(Sum[K], Data[I + size_t(K)]);
  for (__m256i &Part : Sum)
    LATHE_OPAQUE(Part);
}

/// Each thread reads its share again and again.
static void readMemory(benchmark::State &State) {
  size_t Count = Footprint / uint64_t(State.threads()) / sizeof(__m256i);
  auto *Data = static_cast<__m256i *>(std::aligned_alloc(4096, (Count * 32 + 4095) / 4096 * 4096));
  if (!Data) {
    State.SkipWithError("no memory");
    return;
  }
  for (size_t I = 0; I < Count * 4; ++I)
    reinterpret_cast<uint64_t *>(Data)[I] = I;
  for (auto _ : State)
    readAll(Data, Count);
  State.SetBytesProcessed(State.iterations() * int64_t(Count * sizeof(__m256i)));
  std::free(Data);
}

//===----------------------------------------------------------------------===//
// Multiply-adds
//===----------------------------------------------------------------------===//

/// Runs `Loop`, whose every call makes `Operations` operations in each chain and step.
static void count(benchmark::State &State, void (*Loop)(), int64_t Operations) {
  for (auto _ : State)
    Loop();
  State.SetItemsProcessed(State.iterations() * Steps * Chains * Operations);
}

[[gnu::target("avx2,fma")]] static void loopFMA() {
  __m256 A = _mm256_setzero_ps(), Sum[Chains] = {};
  LATHE_OPAQUE(A);
  for (int Step = 0; Step < Steps; ++Step)
    for (__m256 &Part : Sum)
      Part = _mm256_fmadd_ps(A, A, Part);
  for (__m256 &Part : Sum)
    LATHE_OPAQUE(Part);
}

[[gnu::target("avx2")]] static void loopInt8() {
  __m256i A = _mm256_setzero_si256(), Ones = _mm256_set1_epi16(1), Sum[Chains] = {};
  for (int Step = 0; Step < Steps; ++Step)
    for (__m256i &Part : Sum) {
      LATHE_OPAQUE(A); // Or the product is made once.
      Part = _mm256_add_epi32(Part, _mm256_madd_epi16(_mm256_maddubs_epi16(A, A), Ones));
    }
  for (__m256i &Part : Sum)
    LATHE_OPAQUE(Part);
}

[[gnu::target("avx512f")]] static void loopFMA512() {
  __m512 A = _mm512_setzero_ps(), Sum[Chains] = {};
  LATHE_OPAQUE(A);
  for (int Step = 0; Step < Steps; ++Step)
    for (__m512 &Part : Sum)
      Part = _mm512_fmadd_ps(A, A, Part);
  for (__m512 &Part : Sum)
    LATHE_OPAQUE(Part);
}

[[gnu::target("avx512f,avx512vnni")]] static void loopVNNI() {
  __m512i A = _mm512_setzero_si512(), Sum[Chains] = {};
  LATHE_OPAQUE(A);
  for (int Step = 0; Step < Steps; ++Step)
    for (__m512i &Part : Sum)
      Part = _mm512_dpbusd_epi32(Part, A, A);
  for (__m512i &Part : Sum)
    LATHE_OPAQUE(Part);
}

[[gnu::target("avx512f,avx512bf16")]] static void loopBF16() {
  __m512bh A = {};
  LATHE_OPAQUE(A);
  __m512 Sum[Chains] = {};
  for (int Step = 0; Step < Steps; ++Step)
    for (__m512 &Part : Sum)
      Part = _mm512_dpbf16_ps(Part, A, A);
  for (__m512 &Part : Sum)
    LATHE_OPAQUE(Part);
}

template <typename RunT> static void add(const char *Name, RunT Run) {
  benchmark::internal::Benchmark *Made = benchmark::RegisterBenchmark(Name, Run);
  Made->UseRealTime()->Threads(1);
  if (Workers > 1)
    Made->Threads(Workers);
}

static void add(const char *Name, void (*Loop)(), int64_t Operations) {
  add(Name, [=](benchmark::State &State) { count(State, Loop, Operations); });
}

static void addAll() {
  add("read", readMemory);
  if (__builtin_cpu_supports("avx512f"))
    add("f32", loopFMA512, 32);
  else if (__builtin_cpu_supports("fma"))
    add("f32", loopFMA, 16);
  if (__builtin_cpu_supports("avx512vnni"))
    add("int8", loopVNNI, 128);
  else if (__builtin_cpu_supports("avx2"))
    add("int8", loopInt8, 64);
  if (__builtin_cpu_supports("avx512bf16"))
    add("bf16", loopBF16, 64);
}

/// Whether `Word` is --NAME=NUMBER, which `Value` then receives.
static bool takeFlag(std::string_view Word, std::string_view Name, uint64_t &Value) {
  if (!Word.starts_with(Name))
    return false;
  auto [End, Error] = std::from_chars(Word.data() + Name.size(), Word.data() + Word.size(), Value);
  return Error == std::errc() && End == Word.data() + Word.size();
}

int main(int Count, char **Words) {
  int Kept = 0;
  uint64_t Threads = uint64_t(Workers);
  for (int I = 0; I < Count; ++I)
    if (!takeFlag(Words[I], "--footprint=", Footprint) &&
        !takeFlag(Words[I], "--workers=", Threads))
      Words[Kept++] = Words[I];
  Workers = int(Threads);
  addAll();
  benchmark::Initialize(&Kept, Words);
  if (benchmark::ReportUnrecognizedArguments(Kept, Words))
    return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
