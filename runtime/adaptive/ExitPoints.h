//===- ExitPoints.h - What leaving a model early is worth -------*- C++ -*-===//

#ifndef LATHE_RUNTIME_ADAPTIVE_EXITPOINTS_H
#define LATHE_RUNTIME_ADAPTIVE_EXITPOINTS_H

#include "runtime/adaptive/DepthCalibration.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// What exits say at the positions of a text.
struct ExitSamples {
  struct Exit {
    std::vector<float> Confidence;
    std::vector<bool> Agrees; ///< Whether the likeliest token is the whole model's.
    std::vector<double> Loss; ///< -log p(the token that followed).
  };
  std::vector<Exit> Exits;        ///< Lowest layer first.
  std::vector<double> WholeLoss;  ///< Of the whole model.
  std::vector<int32_t> Likeliest; ///< Of the whole model.

  size_t positions() const { return WholeLoss.size(); }
};

/// When a step leaves.
struct ExitPolicy {
  /// Behind that exit, whatever the confidence.
  std::optional<size_t> Always = std::nullopt;
  /// Else behind the first exit whose confidence is at least that.
  float Threshold = std::numeric_limits<float>::infinity();

  /// Whether steps leave here and there.
  bool isThreshold() const { return !Always && Threshold < std::numeric_limits<float>::infinity(); }
  /// The exit, or the number of exits where the step runs all layers.
  size_t leaves(const ExitSamples &Samples, size_t Position) const;
  /// As `--exit` takes it; `Layers` are those of the exits.
  std::string text(const std::vector<int64_t> &Layers) const;
};

/// A policy, and what it is worth.
struct ExitPoint {
  ExitPolicy Policy;
  double Target = 0; ///< The agreement that the threshold was chosen for; 0: none.
  /// On what was not chosen by.  Of steps, each above the keys and values that those before it
  /// left: ExitTrial::score makes them so for thresholds; what leaves always reads no others.
  DepthScore Text, Own;
  std::vector<int64_t> Left = {}; ///< Positions that leave behind each exit; the last: nowhere.
  double Time = 1;                ///< Of a step, relative to the whole model.
  double SecondsSaved = 0;        ///< Of a step.
  double Layers = 1;              ///< Share that runs.
  double BytesLeftOut = 0;        ///< Share of the weights that a step reads.

  double leastAgreement() const;
  /// The mean of `Values`, one for each exit and the whole model.
  double meanOf(const std::vector<double> &Values) const;
  /// As of DepthRule::refusal.
  std::string refusal(const DepthRule &Rule) const;
};

/// What the policy says of samples.
DepthScore scoreExits(const ExitPolicy &Policy, const ExitSamples &Samples);

/// Thresholds to try: confidences that were seen, evenly among all of them, ascending.
std::vector<float> seenThresholds(const ExitSamples &Text, const ExitSamples &Own);

/// How many of so many positions may differ for agreement to be at least `Target` with
/// DepthPoint::Confidence; -1: even none is too many.
int64_t mostDiffering(double Target, int64_t Positions);

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_EXITPOINTS_H
