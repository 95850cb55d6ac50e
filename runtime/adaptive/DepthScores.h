//===- DepthScores.h - What leaving layers out does to a model --*- C++ -*-===//
//
// Runs texts through the whole model and through parts of it, side by side, and
// compares what they say.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_DEPTHSCORES_H
#define LATHE_RUNTIME_ADAPTIVE_DEPTHSCORES_H

#include "runtime/adaptive/OwnWords.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace lathe {

/// Sums over positions.
struct DepthScore {
  int64_t Positions = 0;
  int64_t Agreeing = 0;  ///< Where the likeliest token is the whole model's.
  double Divergence = 0; ///< KL(whole || part) of the next token, in nats.
  double WholeLoss = 0;  ///< -log p(the token that followed), of the whole model ...
  double PartLoss = 0;   ///< ... and of the part.

  double agreement() const { return Positions ? double(Agreeing) / double(Positions) : 0; }
  double divergence() const { return Positions ? Divergence / double(Positions) : 0; }
  /// Perplexity of the part over that of the whole.
  double perplexityRatio() const;
};

/// log of the sum of exp.
double logSum(std::span<const float> Row);

class DepthMeter {
public:
  /// `Run` must have a sequence for the whole model and one for each of `Parts`; all of
  /// them are overwritten.  Both must outlive it.
  DepthMeter(Session &Run, std::span<const std::shared_ptr<const LayerMask>> Parts);

  /// Adds the positions of `Text` to the scores.  Errors are those of Session::step.
  bool add(const ScoredText &Text, Diagnostics &Diags);

  /// One for each part.
  const std::vector<DepthScore> &scores() const { return Scores; }

private:
  bool start(Diagnostics &Diags);
  void readWhole(size_t Rows);
  void compare(DepthScore &Score, std::span<const int32_t> Next, size_t FirstRow);

  Session &Run;
  std::span<const std::shared_ptr<const LayerMask>> Parts;
  std::vector<DepthScore> Scores;
  size_t Vocabulary;
  size_t BlockRows; ///< Rows that are held at a time.
  /// Of the rows of a block: logits, log-probabilities and likeliest tokens of the whole.
  std::vector<float> Logits, Whole;
  std::vector<int32_t> Best;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_DEPTHSCORES_H
