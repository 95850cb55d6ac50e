//===- ExitTrial.cpp - A program with exits, tried --------------*- C++ -*-===//

#include "runtime/adaptive/ExitTrial.h"

#include "runtime/adaptive/Calibration.h"

#include <algorithm>
#include <chrono>

namespace lathe {

/// Steps of each kind whose times are compared, turn by turn, behind so many positions.
static constexpr size_t TimedSteps = 32, TimedPositions = 32;
/// No confidence reaches it.
static constexpr float AboveAll = 2;

std::unique_ptr<Session> ExitTrial::createSession(size_t Sequences, size_t Positions,
                                                  Diagnostics &Diags) const {
  SessionOptions Wanted;
  Wanted.Capacity = static_cast<int64_t>(Positions);
  Wanted.Sequences = static_cast<int64_t>(Sequences);
  return Source.createSession(Wanted, Diags);
}

ExitPlan ExitTrial::planOf(const ExitPolicy &Policy) const {
  return Policy.Always ? ExitPlan::always(Source.manifest(), Fitted.Layers[*Policy.Always])
                       : ExitPlan::above(Source.manifest(), Policy.Threshold);
}

static double median(std::vector<double> Values) {
  std::ranges::sort(Values);
  return Values[Values.size() / 2];
}

/// A step that leaves behind an exit has asked those before it.
void ExitTrial::setTimes(const std::vector<double> &Leaving, double Asking, double Whole) {
  double Question = std::max(Asking - Whole, 0.0) / static_cast<double>(Leaving.size());
  std::vector<double> Always = Leaving, Asked = Leaving;
  Always.push_back(Whole);
  Asked.push_back(std::max(Asking, Whole));
  for (size_t I = 0; I < Leaving.size(); ++I)
    Asked[I] += Question * static_cast<double>(I);
  for (ExitPoint &Point : Fitted.Points) {
    double Seconds = Point.meanOf(Point.Policy.Always ? Always : Asked);
    Point.Time = Seconds / Whole;
    Point.SecondsSaved = Whole - Seconds;
  }
}

/// The median of the steps of each plan, which take turns.  Empty on error.
std::vector<double> ExitTrial::timePlans(const std::vector<ExitPlan> &Plans,
                                         std::span<const int32_t> Tokens, Diagnostics &Diags) {
  using Clock = std::chrono::steady_clock;
  std::unique_ptr<Session> Run =
      createSession(Plans.size(), TimedPositions + TimedSteps + 1, Diags);
  if (!Run)
    return {};
  std::span<const int32_t> Prompt = Tokens.first(std::min(TimedPositions, Tokens.size()));
  for (size_t I = 0; I < Plans.size(); ++I)
    if (!Run->append(static_cast<int32_t>(I), Prompt, LogitsOf::None, nullptr, Diags))
      return {};
  std::vector<float> Logits(static_cast<size_t>(Run->vocabulary()));
  std::vector<std::vector<double>> Seconds(Plans.size());
  for (size_t Step = 0; Step < TimedSteps; ++Step)
    for (size_t I = 0; I < Plans.size(); ++I) {
      Clock::time_point Start = Clock::now();
      if (!GoOn() || !Run->append(static_cast<int32_t>(I), Tokens.subspan(Step % Tokens.size(), 1),
                                  LogitsOf::Last, Logits.data(), Diags, 0, &Plans[I]))
        return {};
      Seconds[I].push_back(std::chrono::duration<double>(Clock::now() - Start).count());
    }
  std::vector<double> Times;
  for (const std::vector<double> &Each : Seconds)
    Times.push_back(median(Each));
  return Times;
}

bool ExitTrial::measureTimes(const ExitTexts &Texts, Diagnostics &Diags) {
  const Manifest &Code = Source.manifest();
  std::vector<ExitPlan> Plans;
  for (int64_t Layer : Fitted.Layers)
    Plans.push_back(ExitPlan::always(Code, Layer));
  Plans.push_back(ExitPlan::above(Code, AboveAll));
  Plans.push_back(ExitPlan(Code));
  std::vector<double> Times = timePlans(Plans, Texts.Text[ExitTexts::Lens].front().Tokens, Diags);
  if (Times.empty())
    return false;
  double Whole = Times.back(), Asking = Times[Times.size() - 2];
  Times.resize(Fitted.Layers.size());
  setTimes(Times, Asking, Whole);
  return true;
}

void ExitTrial::setShares(double HeadBytes) {
  const Manifest &Code = Source.manifest();
  std::vector<double> Layers, Bytes;
  double All = HeadBytes + Code.layerBytes();
  for (int64_t Layer : Fitted.Layers) {
    Layers.push_back(static_cast<double>(Layer + 1) / static_cast<double>(Code.Model.Layers));
    Bytes.push_back(Code.bytesLeftOut(Layer) / All);
  }
  Layers.push_back(1);
  Bytes.push_back(0);
  for (ExitPoint &Point : Fitted.Points) {
    Point.Layers = Point.meanOf(Layers);
    Point.BytesLeftOut = Point.meanOf(Bytes);
  }
}

/// Adds a text, step by step, each above what those before it have left.
bool ExitTrial::walk(Session &Run, const ScoredText &Text, const ExitSamples &Samples, Walk &Into,
                     Diagnostics &Diags) {
  ExitPlan Plan = planOf(Into.Policy);
  std::span<const int32_t> Tokens = Text.Tokens;
  std::vector<float> Logits(static_cast<size_t>(Run.vocabulary()));
  Run.truncate(0, 0);
  if (Text.First > 1 &&
      !Run.append(0, Tokens.first(Text.First - 1), LogitsOf::None, nullptr, Diags))
    return false;
  for (size_t I = Text.First; I < Tokens.size() && Into.goesOn(); ++I) {
    if (!GoOn() ||
        !Run.append(0, Tokens.subspan(I - 1, 1), LogitsOf::Last, Logits.data(), Diags, 0, &Plan))
      return false;
    auto Position = static_cast<size_t>(Into.Score.Positions++);
    Into.Score.Agreeing += likeliestToken(Logits) == Samples.Likeliest[Position];
    Into.Score.WholeLoss += Samples.WholeLoss[Position];
    Into.Score.PartLoss += logSum(Logits) - Logits[static_cast<size_t>(Tokens[I])];
    auto Exit = std::ranges::find(Fitted.Layers, Run.leftBehind());
    ++Into.Left[static_cast<size_t>(Exit - Fitted.Layers.begin())];
  }
  return true;
}

/// Whether steps with that threshold keep the target on both kinds of text; nullopt on error.
std::optional<bool> ExitTrial::keeps(Session &Run, float Threshold, double Target,
                                     const ExitTexts &Texts, Diagnostics &Diags) {
  for (int Kind = 0; Kind < 2; ++Kind) {
    const ExitSamples &Samples = Fitted.Chosen[Kind];
    Walk Walked{.Policy = {.Always = {}, .Threshold = Threshold},
                .Left = std::vector<int64_t>(Fitted.Layers.size() + 1)};
    Walked.MostDiffering = mostDiffering(Target, static_cast<int64_t>(Samples.positions()));
    for (const ScoredText &Text : (Kind ? Texts.Own : Texts.Text)[ExitTexts::Threshold])
      if (!walk(Run, Text, Samples, Walked, Diags))
        return std::nullopt;
    if (!Walked.goesOn())
      return false;
  }
  return true;
}

bool ExitTrial::chooseThreshold(ExitPoint &Point, const ExitTexts &Texts, Diagnostics &Diags) {
  std::unique_ptr<Session> Run = createSession(1, Texts.longest(), Diags);
  if (!Run)
    return false;
  std::vector<float> Tried = seenThresholds(Fitted.Chosen[0], Fitted.Chosen[1]);
  // Agreement grows with the threshold: fewer steps leave, and fewer of those before them have.
  auto Low = Tried.begin(), High = Tried.end();
  while (Low != High) {
    auto Middle = Low + (High - Low) / 2;
    std::optional<bool> Kept = keeps(*Run, *Middle, Point.Target, Texts, Diags);
    if (!Kept)
      return false;
    (*Kept ? High : Low) = *Kept ? Middle : Middle + 1;
  }
  Point.Policy.Threshold = High == Tried.end() ? std::numeric_limits<float>::infinity() : *High;
  return true;
}

bool ExitTrial::score(ExitPoint &Point, const ExitTexts &Texts, Diagnostics &Diags) {
  std::unique_ptr<Session> Run = createSession(1, Texts.longest(), Diags);
  if (!Run)
    return false;
  std::ranges::fill(Point.Left, 0);
  for (int Kind = 0; Kind < 2; ++Kind) {
    Walk Walked{.Policy = Point.Policy, .Left = std::move(Point.Left)};
    for (const ScoredText &Text : (Kind ? Texts.Own : Texts.Text)[ExitTexts::Score])
      if (!walk(*Run, Text, Fitted.Scored[Kind], Walked, Diags))
        return false;
    (Kind ? Point.Own : Point.Text) = Walked.Score;
    Point.Left = std::move(Walked.Left);
  }
  return true;
}

} // namespace lathe
