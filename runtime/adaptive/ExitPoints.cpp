//===- ExitPoints.cpp - What leaving a model early is worth -----*- C++ -*-===//

#include "runtime/adaptive/ExitPoints.h"

#include "runtime/support/Binomial.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lathe {

/// Thresholds that are tried, evenly among the confidences that were seen.
static constexpr size_t MostThresholds = 256;

size_t ExitPolicy::leaves(const ExitSamples &Samples, size_t Position) const {
  if (Always)
    return *Always;
  size_t Exit = 0;
  while (Exit < Samples.Exits.size() && !(Samples.Exits[Exit].Confidence[Position] >= Threshold))
    ++Exit;
  return Exit;
}

std::string ExitPolicy::text(const std::vector<int64_t> &Layers) const {
  if (Always)
    return "always-at:" + std::to_string(Layers[*Always]);
  if (std::isinf(Threshold))
    return "never";
  char Buffer[32];
  return "threshold:" +
         std::string(Buffer, std::to_chars(Buffer, Buffer + sizeof(Buffer), Threshold).ptr);
}

static double boundOf(const DepthScore &Score) {
  return lowerBound(Score.Agreeing, Score.Positions, DepthPoint::Confidence);
}

double ExitPoint::leastAgreement() const { return std::min(boundOf(Text), boundOf(Own)); }

double ExitPoint::meanOf(const std::vector<double> &Values) const {
  double Sum = 0, Count = 0;
  for (size_t I = 0; I < Left.size(); ++I) {
    Sum += static_cast<double>(Left[I]) * Values[I];
    Count += static_cast<double>(Left[I]);
  }
  return Count > 0 ? Sum / Count : Values.back();
}

std::string ExitPoint::refusal(const DepthRule &Rule) const {
  if (!Policy.Always && !Policy.isThreshold())
    return "no threshold keeps " + formatFixed(100 * Target, 0) + " %";
  return Rule.refusal(leastAgreement(), Time);
}

DepthScore scoreExits(const ExitPolicy &Policy, const ExitSamples &Samples) {
  DepthScore Score;
  for (size_t I = 0; I < Samples.positions(); ++I) {
    size_t Exit = Policy.leaves(Samples, I);
    bool Whole = Exit == Samples.Exits.size();
    ++Score.Positions;
    Score.Agreeing += Whole || Samples.Exits[Exit].Agrees[I];
    Score.WholeLoss += Samples.WholeLoss[I];
    Score.PartLoss += Whole ? Samples.WholeLoss[I] : Samples.Exits[Exit].Loss[I];
  }
  return Score;
}

std::vector<float> seenThresholds(const ExitSamples &Text, const ExitSamples &Own) {
  std::vector<float> Seen, Tried;
  for (const ExitSamples *Samples : {&Text, &Own})
    for (const ExitSamples::Exit &Each : Samples->Exits)
      Seen.insert(Seen.end(), Each.Confidence.begin(), Each.Confidence.end());
  std::ranges::sort(Seen);
  size_t Count = std::min(MostThresholds, Seen.size());
  for (size_t I = 0; I < Count; ++I)
    Tried.push_back(Seen[I * Seen.size() / Count]);
  return Tried;
}

int64_t mostDiffering(double Target, int64_t Positions) {
  int64_t Most = -1;
  while (Most + 1 < Positions &&
         lowerBound(Positions - Most - 1, Positions, DepthPoint::Confidence) >= Target)
    ++Most;
  return Most;
}

} // namespace lathe
