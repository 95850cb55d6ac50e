//===- Sampler.h - From logits to a token -----------------------*- C++ -*-===//
//
// Choosing the next token.  The order is fixed: temperature, top-k, top-p,
// min-p, then one draw.  Equal logits are ordered by id, lowest first, so that
// the same logits, options and seed give the same tokens on every machine.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_SAMPLER_H
#define LATHE_RUNTIME_SESSION_SAMPLER_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace lathe {

struct SamplerOptions {
  double Temperature = 0; ///< 0: greedy, and nothing below matters.
  int64_t TopK = 0;       ///< Keep this many of the most likely tokens; 0: all.
  double TopP = 1;        ///< Keep the fewest tokens that sum to this probability.
  double MinP = 0;        ///< Keep tokens at least this likely relative to the best.
  uint64_t Seed = 0;
};

/// A sampler that keeps no more than so many of the most likely tokens needs no other
/// logits.
inline constexpr int64_t MostGreatestLogits = 64;

class Sampler {
public:
  /// Checks `Options`: temperature in [0, 100], top-k >= 0, top-p in (0, 1],
  /// min-p in [0, 1], no NaN.  Nullopt with E0808 for each that is not.
  static std::optional<Sampler> create(const SamplerOptions &Options, Diagnostics &Diags);

  /// The chosen id; nullopt with E0809 when a logit is NaN or +infinity or all
  /// are -infinity (a single -infinity only rules its token out).
  std::optional<int32_t> sample(std::span<const float> Logits, Diagnostics &Diags);

  /// How many of the greatest logits decide; 0: all.  The others may be -infinity.
  int64_t greatestLogits() const;

private:
  struct Candidate {
    double Weight; ///< exp((logit - best) / temperature).
    float Logit;
    int32_t ID;
  };

  explicit Sampler(const SamplerOptions &Options) : Options(Options), Random(Options.Seed) {}
  std::optional<int32_t> best(std::span<const float> Logits, Diagnostics &Diags) const;
  void fillCandidates(std::span<const float> Logits, float Best);
  void keepTopK();
  void keepTopP();
  void keepMinP();
  void sortPrefix(size_t Count);
  int32_t draw();

  SamplerOptions Options;
  std::mt19937_64 Random;
  std::vector<Candidate> Candidates;
  size_t SortedCount = 0; ///< Candidates[0, SortedCount) are the best, in order.
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_SAMPLER_H
