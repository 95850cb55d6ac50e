//===- HostCPU.cpp - What the CPU we run on can do --------------*- C++ -*-===//

#include "runtime/session/HostCPU.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lathe {

namespace {

/// Register state that the operating system must save (bits of XCR0).
enum SavedState : uint64_t { SavesNothing = 0, SavesYMM = 0x6, SavesZMM = 0xe6 };

struct Feature {
  std::string_view Name;
  SavedState Needs;
  bool (*OnCPU)();
};

} // namespace

#if defined(__x86_64__)

// The builtin takes a literal, hence one function per feature.
#define LATHE_FEATURE(Name, Needs) {Name, Needs, [] { return __builtin_cpu_supports(Name) != 0; }}

static constexpr Feature Features[] = {
    LATHE_FEATURE("sse3", SavesNothing),
    LATHE_FEATURE("ssse3", SavesNothing),
    LATHE_FEATURE("sse4.1", SavesNothing),
    LATHE_FEATURE("sse4.2", SavesNothing),
    LATHE_FEATURE("popcnt", SavesNothing),
    LATHE_FEATURE("lzcnt", SavesNothing),
    LATHE_FEATURE("movbe", SavesNothing),
    LATHE_FEATURE("bmi", SavesNothing),
    LATHE_FEATURE("bmi2", SavesNothing),
    LATHE_FEATURE("gfni", SavesNothing),
    LATHE_FEATURE("avx", SavesYMM),
    LATHE_FEATURE("avx2", SavesYMM),
    LATHE_FEATURE("fma", SavesYMM),
    LATHE_FEATURE("f16c", SavesYMM),
    LATHE_FEATURE("avxvnni", SavesYMM),
    LATHE_FEATURE("avx512f", SavesZMM),
    LATHE_FEATURE("avx512bw", SavesZMM),
    LATHE_FEATURE("avx512cd", SavesZMM),
    LATHE_FEATURE("avx512dq", SavesZMM),
    LATHE_FEATURE("avx512vl", SavesZMM),
    LATHE_FEATURE("avx512vnni", SavesZMM),
    LATHE_FEATURE("avx512bf16", SavesZMM),
    LATHE_FEATURE("avx512fp16", SavesZMM),
    LATHE_FEATURE("avx512vbmi", SavesZMM),
    LATHE_FEATURE("avx512vbmi2", SavesZMM),
    LATHE_FEATURE("avx512bitalg", SavesZMM),
    LATHE_FEATURE("avx512vpopcntdq", SavesZMM),
};

#undef LATHE_FEATURE

/// XCR0, or 0 when the operating system does not use XSAVE.
static uint64_t savedStates() {
  unsigned A, B, C, D;
  if (!__get_cpuid(1, &A, &B, &C, &D) || !(C & bit_OSXSAVE))
    return 0;
  uint32_t Low, High;
  __asm__ volatile("xgetbv" : "=a"(Low), "=d"(High) : "c"(0));
  return (uint64_t(High) << 32) | Low;
}

static std::string modelName() {
  constexpr unsigned FirstLeaf = 0x80000002, NumLeaves = 3;
  char Name[NumLeaves * 16 + 1] = {};
  for (unsigned I = 0; I < NumLeaves; ++I) {
    unsigned Registers[4];
    if (!__get_cpuid(FirstLeaf + I, &Registers[0], &Registers[1], &Registers[2], &Registers[3]))
      return "x86-64";
    std::memcpy(Name + I * 16, Registers, 16);
  }
  std::string Text = Name;
  Text.erase(Text.find_last_not_of(' ') + 1);
  Text.erase(0, Text.find_first_not_of(' '));
  return Text;
}

#else

static constexpr std::span<const Feature> Features;
static uint64_t savedStates() { return 0; }
static std::string modelName() { return "not x86-64"; }

#endif

static bool present(const Feature &Candidate) {
  static const uint64_t Saved = savedStates();
  return (Saved & Candidate.Needs) == Candidate.Needs && Candidate.OnCPU();
}

bool hostHasFeature(std::string_view Name) {
  for (const Feature &Candidate : Features)
    if (Candidate.Name == Name)
      return present(Candidate);
  return false;
}

std::vector<std::string> missingFeatures(std::span<const std::string> Names, HasFeature Has) {
  std::vector<std::string> Missing;
  for (const std::string &Name : Names)
    if (!Has(Name))
      Missing.push_back(Name);
  return Missing;
}

const std::string &hostDescription() {
  static const std::string Description = [] {
    std::string Text = modelName() + ":";
    for (const Feature &Candidate : Features)
      if (present(Candidate))
        Text.append(" ").append(Candidate.Name);
    return Text;
  }();
  return Description;
}

} // namespace lathe
