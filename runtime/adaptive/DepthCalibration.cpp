//===- DepthCalibration.cpp - Which layers a model can do without -*- C++ -*-===//

#include "runtime/adaptive/DepthCalibration.h"

#include "runtime/support/Binomial.h"
#include "runtime/support/NumberRanges.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace lathe {

/// Prompts that the whole model continues, and how.
static constexpr size_t Prompts = 4, PromptTokens = 32, OwnTokens = 64;
/// Steps of each kind whose times are compared, turn by turn.
static constexpr int TimedSteps = 24;

double DepthPoint::leastAgreement() const {
  return std::min(lowerBound(Text.Agreeing, Text.Positions, Confidence),
                  lowerBound(Own.Agreeing, Own.Positions, Confidence));
}

std::string DepthRule::refusal(double Agreement, double Time) const {
  std::string Why;
  if (Agreement < Floor)
    Why = "agreement below " + formatFixed(100 * Floor, 0) + " %";
  if (1 / Time - 1 < Gain)
    Why += (Why.empty() ? "" : ", ") + ("gain below " + formatFixed(100 * Gain, 0) + " %");
  return Why;
}

bool DepthCalibration::enter(const std::string &Doing, Diagnostics &Diags) const {
  if (!Options.OnStage || Options.OnStage(Doing))
    return true;
  Diags.error(807, {}, "interrupted while the model was calibrated");
  return false;
}

std::unique_ptr<Session> DepthCalibration::createSession(size_t Parts, Diagnostics &Diags) const {
  SessionOptions Wanted;
  Wanted.Capacity = static_cast<int64_t>(std::max(Options.TextTokens, PromptTokens + OwnTokens));
  Wanted.Sequences = static_cast<int64_t>(Parts + 1);
  return Source.createSession(Wanted, Diags);
}

static std::string listText(const std::vector<int64_t> &Layers) {
  std::string Text;
  for (int64_t Layer : Layers)
    Text += (Text.empty() ? "" : ",") + std::to_string(Layer);
  return Text;
}

std::shared_ptr<const LayerMask> DepthCalibration::partOf(const DepthPoint &Point,
                                                          Diagnostics &Diags) const {
  return LayerMask::parse("", listText(Point.Skipped), Point.Width, Source.manifest(), Diags);
}

/// The layers with the one more that changes least; empty when none can go.
std::optional<std::vector<int64_t>> DepthCalibration::extend(std::vector<int64_t> Skipped,
                                                             const ScoredText &Text,
                                                             Diagnostics &Diags) const {
  std::vector<std::vector<int64_t>> Candidates;
  std::vector<std::shared_ptr<const LayerMask>> Masks;
  LayerMask All(Source.manifest());
  for (int64_t Layer = 0; Layer < All.layers(); ++Layer) {
    if (!All.runs()[Layer] || std::ranges::find(Skipped, Layer) != Skipped.end())
      continue;
    Candidates.push_back(Skipped);
    Candidates.back().insert(std::ranges::upper_bound(Candidates.back(), Layer), Layer);
    DepthPoint Candidate;
    Candidate.Skipped = Candidates.back();
    Masks.push_back(partOf(Candidate, Diags));
    if (!Masks.back())
      return std::nullopt;
  }
  std::unique_ptr<Session> Run = createSession(Masks.size(), Diags);
  if (!Run)
    return std::nullopt;
  DepthMeter Meter(*Run, Masks);
  if (!Meter.add(Text, Diags))
    return std::nullopt;
  auto Best = std::ranges::min_element(Meter.scores(), {}, &DepthScore::divergence);
  return Candidates[static_cast<size_t>(Best - Meter.scores().begin())];
}

/// What the whole model says behind pieces of the text.
std::optional<std::vector<ScoredText>> DepthCalibration::generate(std::span<const int32_t> Text,
                                                                  Diagnostics &Diags) const {
  std::unique_ptr<Session> Run = createSession(Prompts - 1, Diags);
  if (!Run)
    return std::nullopt;
  auto GoOn = [&] { return enter("measuring", Diags); };
  return ownWords(*Run, Text, Prompts, PromptTokens, OwnTokens, GoOn, Diags);
}

bool DepthCalibration::score(std::vector<DepthPoint> &Points, std::span<const ScoredText> Texts,
                             DepthScore DepthPoint::*Into, Diagnostics &Diags) const {
  std::vector<std::shared_ptr<const LayerMask>> Masks;
  for (const DepthPoint &Each : Points)
    if (!Masks.emplace_back(partOf(Each, Diags)))
      return false;
  std::unique_ptr<Session> Run = createSession(Masks.size(), Diags);
  if (!Run)
    return false;
  DepthMeter Meter(*Run, Masks);
  for (const ScoredText &Text : Texts)
    if (!Meter.add(Text, Diags))
      return false;
  for (size_t I = 0; I < Points.size(); ++I)
    Points[I].*Into = Meter.scores()[I];
  return true;
}

static double median(std::vector<double> Values) {
  std::ranges::sort(Values);
  return Values[Values.size() / 2];
}

/// Steps of all points and of the whole model take turns, as a machine's speed changes.
bool DepthCalibration::measureTimes(std::vector<DepthPoint> &Points, std::span<const int32_t> Text,
                                    Diagnostics &Diags) const {
  using Clock = std::chrono::steady_clock;
  std::unique_ptr<Session> Run = createSession(Points.size(), Diags);
  if (!Run)
    return false;
  for (size_t I = 0; I < Points.size(); ++I) {
    std::shared_ptr<const LayerMask> Mask = partOf(Points[I], Diags);
    if (!Mask || !Run->setLayers(static_cast<int32_t>(I + 1), std::move(Mask), Diags))
      return false;
  }
  std::vector<float> Logits(static_cast<size_t>(Run->vocabulary()));
  std::vector<std::vector<double>> Seconds(Points.size() + 1);
  for (int Step = 0; Step < TimedSteps; ++Step)
    for (size_t I = 0; I < Seconds.size(); ++I) {
      Clock::time_point Start = Clock::now();
      if (!Run->append(static_cast<int32_t>(I), Text.subspan(static_cast<size_t>(Step), 1),
                       LogitsOf::Last, Logits.data(), Diags))
        return false;
      Seconds[I].push_back(std::chrono::duration<double>(Clock::now() - Start).count());
    }
  for (size_t I = 0; I < Points.size(); ++I)
    Points[I].Time = median(Seconds[I + 1]) / median(Seconds[0]);
  return true;
}

bool DepthCalibration::checkText(std::span<const int32_t> Text, Diagnostics &Diags) const {
  size_t Wanted = 2 * Options.TextTokens;
  if (Text.size() >= Wanted && Options.TextTokens >= 2 * PromptTokens)
    return true;
  Diags.error(846, "text",
              "found " + std::to_string(Text.size()) + " tokens, expected at least " +
                  std::to_string(std::max(Wanted, 4 * PromptTokens)),
              "give a longer text, or ask for fewer tokens");
  return false;
}

ScoredText DepthCalibration::pieceFrom(std::span<const int32_t> Text, size_t First) const {
  std::span<const int32_t> Tokens = Text.subspan(First, Options.TextTokens);
  return {{Tokens.begin(), Tokens.end()}, 1};
}

/// On the second half of the text, which had no say in what the points are.
bool DepthCalibration::measure(std::vector<DepthPoint> &Points, std::span<const int32_t> Text,
                               Diagnostics &Diags) const {
  ScoredText Scored = pieceFrom(Text, Options.TextTokens);
  if (!enter("measuring", Diags))
    return false;
  std::optional<std::vector<ScoredText>> Own = generate(Scored.Tokens, Diags);
  return Own && score(Points, {&Scored, 1}, &DepthPoint::Text, Diags) &&
         score(Points, *Own, &DepthPoint::Own, Diags) && measureTimes(Points, Text, Diags);
}

std::optional<std::vector<DepthPoint>> DepthCalibration::run(std::span<const int32_t> Text,
                                                             Diagnostics &Diags) {
  if (!checkText(Text, Diags))
    return std::nullopt;
  ScoredText Chosen = pieceFrom(Text, 0);
  int64_t Most = std::min(Options.MostSkipped, LayerMask(Source.manifest()).count() - 1);
  std::vector<DepthPoint> Points;
  while (static_cast<int64_t>(Points.size()) < Most) {
    if (!enter("choosing layer " + std::to_string(Points.size() + 1) + " of " +
                   std::to_string(Most) + " to leave out",
               Diags))
      return std::nullopt;
    std::optional<std::vector<int64_t>> Skipped =
        extend(Points.empty() ? std::vector<int64_t>() : Points.back().Skipped, Chosen, Diags);
    if (!Skipped)
      return std::nullopt;
    Points.emplace_back().Skipped = std::move(*Skipped);
  }
  if (!measure(Points, Text, Diags))
    return std::nullopt;
  return Points;
}

std::optional<std::vector<DepthPoint>>
DepthCalibration::runWidths(std::span<const int32_t> Text, std::span<const std::string> Widths,
                            Diagnostics &Diags) {
  if (!checkText(Text, Diags))
    return std::nullopt;
  const Manifest &Code = Source.manifest();
  double Whole = Code.layerBytes();
  std::vector<DepthPoint> Points;
  for (const std::string &Each : Widths) {
    DepthPoint &Point = Points.emplace_back();
    Point.Width = Each;
    std::shared_ptr<const LayerMask> Part = partOf(Point, Diags);
    if (!Part)
      return std::nullopt;
    Point.BytesLeftOut = Code.narrowBytes(Part->widths()) / Whole;
  }
  if (!measure(Points, Text, Diags))
    return std::nullopt;
  return Points;
}

} // namespace lathe
