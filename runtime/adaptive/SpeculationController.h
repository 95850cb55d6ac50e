//===- SpeculationController.h - Whether a draft pays -----------*- C++ -*-===//
//
// Chooses how many guessed tokens to verify in one step: the number k that
// makes most tokens per time, E[accepted + 1] / (T(k + 1) / T(1)), from measured
// acceptance and measured times.  It drafts nothing while that is less than
// plain decoding by a margin.
//
// Nothing here allocates memory.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_SPECULATIONCONTROLLER_H
#define LATHE_RUNTIME_ADAPTIVE_SPECULATIONCONTROLLER_H

#include "runtime/adaptive/Draft.h"
#include "runtime/adaptive/StepTimes.h"

#include <array>
#include <cstdint>

namespace lathe {

class SpeculationController {
public:
  /// A class of drafts is given up when it promises less than that ...
  static constexpr double GainToStay = 1.03;
  /// ... and taken up again when it promises that much.
  static constexpr double GainToStart = 1.08;
  /// Drafts of more tokens only while so many of the latest were accepted.
  static constexpr int64_t CautiousTokens = 4;
  static constexpr double BoldAcceptance = 0.4;
  /// After so many refused offers one is taken to measure anew; after so many
  /// steps with drafts one goes without, to measure T(1) anew.
  static constexpr int64_t ProbeInterval = 64;

  /// `Times` must outlive it.  `Free`: guesses cost no time, and the outcome of
  /// refused ones is told as well.
  SpeculationController(const StepTimes &Times, bool Free) : Times(Times), Free(Free) {}

  /// How many tokens of an offer to verify now: 0 to `Offer.Most`.
  int64_t choose(DraftOffer Offer);

  /// Of `Drafted` tokens of an offer the first `Accepted` were what came.
  /// `Verified`: in a step, not beside plain decoding.
  void tellOutcome(int32_t Class, int64_t Drafted, int64_t Accepted, bool Verified);

  /// Guessing `Tokens` tokens took `Seconds`.
  void tellDraftTime(int64_t Tokens, double Seconds) { DraftSeconds.add(Tokens, Seconds); }

  /// What verifying `Count` tokens of a class promises: the speed relative to
  /// plain decoding.
  double gain(int32_t Class, int64_t Count) const;

private:
  /// A mean that forgets: every addition outweighs older ones a little more.
  struct Mean {
    double Weight, Sum, Keep;
    double value() const { return Weight > 0 ? Sum / Weight : 0; }
    void add(double Tried, double Found) {
      Weight = Weight * Keep + Tried;
      Sum = Sum * Keep + Found;
    }
  };
  /// The first guessed token, and each that follows an accepted one.
  struct ClassState {
    Mean First, Later;
    bool On = false;
    int64_t Refused = 0;
  };
  struct Choice {
    int64_t Count = 0;
    double Gain = 1;
  };

  static ClassState initial(double First, double Later);
  double expected(int32_t Class, int64_t Count) const;
  double cost(int64_t Count, bool Assumed) const;
  Choice best(int32_t Class, int64_t Most, bool Assumed) const;
  int64_t probe(DraftOffer Offer, int64_t Most);

  const StepTimes &Times;
  bool Free;
  std::array<ClassState, DraftClasses> Classes = {initial(0.25, 0.5), initial(0.4, 0.6),
                                                  initial(0.6, 0.7), initial(0.8, 0.85)};
  Mean Recent = {0, 0, 0.9};       ///< Acceptance of verified tokens.
  Mean DraftSeconds = {0, 0, 0.9}; ///< Per guessed token.
  int64_t SincePlain = 0;          ///< Steps with drafts in a row.
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_SPECULATIONCONTROLLER_H
