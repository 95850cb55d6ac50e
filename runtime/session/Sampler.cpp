//===- Sampler.cpp - From logits to a token ---------------------*- C++ -*-===//

#include "runtime/session/Sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

namespace lathe {

/// Also false for NaN.
static bool checkRange(const char *Name, double Value, bool Valid, const char *Expected,
                       Diagnostics &Diags) {
  if (!Valid)
    Diags.error(808, Name, "found " + std::to_string(Value) + ", expected " + Expected);
  return Valid;
}

std::optional<Sampler> Sampler::create(const SamplerOptions &Options, Diagnostics &Diags) {
  double T = Options.Temperature, P = Options.TopP, M = Options.MinP;
  bool Valid = checkRange("temperature", T, T >= 0 && T <= 100, "0 (greedy) to 100", Diags);
  Valid &= checkRange("top-k", static_cast<double>(Options.TopK), Options.TopK >= 0,
                      "0 (all) or more", Diags);
  Valid &= checkRange("top-p", P, P > 0 && P <= 1, "above 0 and up to 1", Diags);
  Valid &= checkRange("min-p", M, M >= 0 && M <= 1, "0 to 1", Diags);
  if (!Valid)
    return std::nullopt;
  return Sampler(Options);
}

static constexpr float Infinity = std::numeric_limits<float>::infinity();

/// The bits of a float as an integer that is in the same order; NaNs are outside.
static int32_t inOrder(float Value) {
  int32_t Bits = std::bit_cast<int32_t>(Value);
  return Bits ^ (Bits >> 31 & std::numeric_limits<int32_t>::max());
}

/// Whether all are below `Highest` or equal to it, and none is NaN or +infinity.
static bool hasNoBetter(std::span<const float> Logits, float Highest) {
  // Integers, as no order of comparing floats would be the compiler's to choose.
  int32_t Least = std::numeric_limits<int32_t>::max();
  int32_t Most = std::numeric_limits<int32_t>::min();
  for (float Logit : Logits) {
    Least = std::min(Least, inOrder(Logit));
    Most = std::max(Most, inOrder(Logit));
  }
  return Least >= inOrder(-Infinity) && Most <= inOrder(Highest) && Most < inOrder(Infinity);
}

std::optional<int32_t> Sampler::best(std::span<const float> Logits, Diagnostics &Diags) const {
  constexpr size_t Strip = 64;
  int32_t Best = -1;
  float Highest = -Infinity;
  for (size_t I = 0; I < Logits.size(); ++I) {
    if (I % Strip == 0)
      while (Logits.size() - I >= Strip && hasNoBetter(Logits.subspan(I, Strip), Highest))
        I += Strip;
    if (I == Logits.size())
      break;
    // NaN fails this comparison as well.
    if (!(Logits[I] < Infinity)) {
      Diags.error(809, "logit of token " + std::to_string(I),
                  "found " + std::to_string(Logits[I]) + ", expected a finite number");
      return std::nullopt;
    }
    if (Logits[I] > Highest) {
      Highest = Logits[I];
      Best = static_cast<int32_t>(I);
    }
  }
  if (Best >= 0)
    return Best;
  Diags.error(809, "logits",
              "found no finite one among " + std::to_string(Logits.size()) +
                  ", expected at least one");
  return std::nullopt;
}

std::optional<int32_t> Sampler::sample(std::span<const float> Logits, Diagnostics &Diags) {
  std::optional<int32_t> Best = best(Logits, Diags);
  if (!Best || Options.Temperature == 0)
    return Best;
  fillCandidates(Logits, Logits[*Best]);
  keepTopK();
  keepTopP();
  keepMinP();
  return draw();
}

void Sampler::fillCandidates(std::span<const float> Logits, float Best) {
  Candidates.clear();
  SortedCount = 0;
  for (size_t I = 0; I < Logits.size(); ++I) {
    // Of a screened head that is most of them.
    if (Logits[I] == -Infinity)
      continue;
    double Weight = std::exp((double(Logits[I]) - double(Best)) / Options.Temperature);
    if (Weight > 0)
      Candidates.push_back({Weight, Logits[I], static_cast<int32_t>(I)});
  }
}

void Sampler::sortPrefix(size_t Count) {
  Count = std::min(Count, Candidates.size());
  if (Count <= SortedCount)
    return;
  std::partial_sort(Candidates.begin() + SortedCount, Candidates.begin() + Count, Candidates.end(),
                    [](const Candidate &Left, const Candidate &Right) {
                      return Left.Logit != Right.Logit ? Left.Logit > Right.Logit
                                                       : Left.ID < Right.ID;
                    });
  SortedCount = Count;
}

int64_t Sampler::greatestLogits() const {
  if (Options.Temperature == 0)
    return 1;
  return Options.TopK <= MostGreatestLogits ? Options.TopK : 0;
}

void Sampler::keepTopK() {
  int64_t All = static_cast<int64_t>(Candidates.size());
  // A draw depends on the order, which must not depend on how many more there were.
  if (Options.TopK == 0 || (Options.TopK >= All && Options.TopK > MostGreatestLogits))
    return;
  sortPrefix(Options.TopK);
  Candidates.resize(std::min(Options.TopK, All));
}

void Sampler::keepTopP() {
  if (Options.TopP >= 1)
    return;
  double Total = 0;
  for (const Candidate &Each : Candidates)
    Total += Each.Weight;
  // Few candidates are needed as a rule, so they are sorted as far as that.
  double Sum = 0;
  for (size_t I = 0; I < Candidates.size(); ++I) {
    if (I >= SortedCount)
      sortPrefix(std::max<size_t>(64, 4 * SortedCount));
    Sum += Candidates[I].Weight;
    if (Sum >= Options.TopP * Total)
      return Candidates.resize(I + 1);
  }
}

void Sampler::keepMinP() {
  // The best candidate has the weight 1.
  if (Options.MinP > 0)
    std::erase_if(Candidates, [&](const Candidate &Each) { return Each.Weight < Options.MinP; });
}

int32_t Sampler::draw() {
  double Total = 0;
  for (const Candidate &Each : Candidates)
    Total += Each.Weight;
  // std::uniform_real_distribution differs between libraries; 53 random bits
  // times 2^-53 do not.
  double Target = static_cast<double>(Random() >> 11) * 0x1p-53 * Total;
  double Sum = 0;
  for (const Candidate &Each : Candidates) {
    Sum += Each.Weight;
    if (Target < Sum)
      return Each.ID;
  }
  return Candidates.back().ID;
}

} // namespace lathe
