//===- ExitRule.h - Where a text may leave, and how sure one must be -------===//
//
// A text leaves at the first exit whose head is sure enough: its margin reaches one
// threshold that all exits share.  The threshold is chosen on texts that the heads have
// not seen, so that what is lost against the last head, with a margin for chance, stays
// under a target; and so is the first exit.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_EXITRULE_H
#define LATHE_RUNTIME_CLASSIFY_EXITRULE_H

#include "runtime/classify/ExitHeads.h"

#include <string>

namespace lathe {

/// Exits at all depths from the first to the one ahead of the last.
struct MarginExits {
  int64_t FirstExit = 0;
  float Threshold = 2; ///< Margin from which on a text leaves; above 1: none does.

  /// The depth at which text `Text` leaves.
  size_t leave(const JudgedTexts &Texts, size_t Text) const;
};

/// What a choice gives on some texts.
struct ExitOutcome {
  int64_t Texts = 0;
  int64_t Right = 0;      ///< With exits.
  int64_t RightWhole = 0; ///< Of the last head alone.
  double Deviation = 0;   ///< Of the loss of one text (1, 0 or -1), standard.
  double MeanDepth = 0;
  double Work = 0;             ///< Of a text, in the mean: multiply-adds, or seconds.
  double WholeWork = 0;        ///< The same through all layers.
  std::vector<int64_t> LeftAt; ///< [depths]: how many texts left there.

  double accuracy() const { return double(Right) / double(Texts); }
  /// Points of accuracy, of 100, that exits lose.
  double loss() const { return 100 * double(RightWhole - Right) / double(Texts); }
  /// Of the loss, one-sided.  One of as many choices as there are first exits is taken, the one
  /// that looks best, so that all their bounds together hold with a confidence of 95 %
  /// (Bonferroni).
  double bound() const;
  double gain() const { return WholeWork / Work - 1; }
};

/// `Work`, [texts][depths], is what a text takes until it is judged there; empty where that
/// does not matter.
ExitOutcome evaluate(const MarginExits &Choice, const JudgedTexts &Texts,
                     const std::vector<float> &Work = {});

struct ExitRule {
  double Target = 0.5; ///< Most points that `ExitOutcome::bound` may reach.
  double Gain = 0.05;  ///< Least gain.

  /// For each first exit the smallest threshold that meets the target together with all
  /// above it.
  std::vector<MarginExits> choices(const JudgedTexts &Texts) const;
  /// Why what was found on these texts is refused; empty: it is not.
  std::string refusal(const ExitOutcome &Found) const;
};

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_EXITRULE_H
