//===- ExitCalibration.cpp - Exits for a model that has none ----*- C++ -*-===//

#include "runtime/adaptive/ExitCalibration.h"

#include "runtime/support/NumberRanges.h"

#include <algorithm>

namespace lathe {

/// The tokens of a piece of text at most; and of what the model says, behind a prompt.
static constexpr size_t PieceTokens = 256, PromptTokens = 32, OwnTokens = 64;
/// Texts that the model goes on with at a time.
static constexpr int64_t Together = 8;
/// Agreements that thresholds are chosen for.
static constexpr double Targets[] = {0.99, 0.95, 0.9};

//===----------------------------------------------------------------------===//
// Texts
//===----------------------------------------------------------------------===//

/// The eighths of the tokens that serve a purpose.
static std::pair<size_t, size_t> eighthsOf(int Purpose) {
  constexpr size_t Bounds[] = {0, 4, 6, 7, 8};
  return {Bounds[Purpose], Bounds[Purpose + 1]};
}

std::optional<ExitTexts> ExitTexts::create(const Model &Whole, std::span<const int32_t> Given,
                                           size_t Tokens, const std::function<bool()> &GoOn,
                                           Diagnostics &Diags) {
  SessionOptions Wanted;
  Wanted.Capacity = PromptTokens + OwnTokens;
  Wanted.Sequences = Together;
  std::unique_ptr<Session> Run = Whole.createSession(Wanted, Diags);
  if (!Run)
    return std::nullopt;
  ExitTexts Result;
  for (int What = 0; What < Purposes; ++What) {
    auto [First, Last] = eighthsOf(What);
    std::span<const int32_t> Part = Given.subspan(First * Tokens / 8, (Last - First) * Tokens / 8);
    for (size_t From = 0; From < Part.size(); From += PieceTokens) {
      std::span<const int32_t> Piece =
          Part.subspan(From, std::min(PieceTokens, Part.size() - From));
      Result.Text[What].push_back({{Piece.begin(), Piece.end()}, 1});
    }
    std::optional<std::vector<ScoredText>> Said =
        ownWords(*Run, Part, Part.size() / OwnTokens, PromptTokens, OwnTokens, GoOn, Diags);
    if (!Said)
      return std::nullopt;
    Result.Own[What] = std::move(*Said);
  }
  return Result;
}

size_t ExitTexts::longest() const {
  size_t Most = 0;
  for (const auto &Kind : {Text, Own})
    for (const std::vector<ScoredText> &Part : Kind)
      for (const ScoredText &Each : Part)
        Most = std::max(Most, Each.Tokens.size());
  return Most;
}

//===----------------------------------------------------------------------===//
// Exits
//===----------------------------------------------------------------------===//

std::vector<int64_t> defaultExits(int64_t Layers) {
  std::vector<int64_t> Exits;
  int64_t Step = std::max<int64_t>(Layers / 8, 1);
  for (int64_t Layer = Layers - 2; Layer >= (Layers - 1) / 2 && std::ssize(Exits) < 4;
       Layer -= Step)
    Exits.push_back(Layer);
  std::ranges::reverse(Exits);
  return Exits;
}

bool ExitCalibration::enter(const std::string &Doing, Diagnostics &Diags) const {
  if (!Options.OnStage || Options.OnStage(Doing))
    return true;
  Diags.error(807, {}, "interrupted while the model was calibrated");
  return false;
}

bool ExitCalibration::checkLayers(Diagnostics &Diags) {
  if (Options.Layers.empty())
    Options.Layers = defaultExits(Meter.layers());
  if (!Options.Layers.empty() && Options.Layers.back() + 1 < Meter.layers())
    return true;
  Diags.error(
      840, "exits",
      "found " +
          (Options.Layers.empty() ? "no layer" : "layer " + std::to_string(Options.Layers.back())) +
          " of a model of " + std::to_string(Meter.layers()) +
          ", expected layers that another follows");
  return false;
}

/// Of the text and of own words, one behind the other.
std::optional<RowSet> ExitCalibration::rowsOf(const ExitTexts &Texts, ExitTexts::Purpose What,
                                              std::optional<int64_t> Layer, Diagnostics &Diags) {
  std::optional<RowSet> Rows = Meter.rows(Texts.Text[What], Layer, Diags);
  std::optional<RowSet> More = Rows ? Meter.rows(Texts.Own[What], Layer, Diags) : std::nullopt;
  if (!More)
    return std::nullopt;
  Rows->Values.insert(Rows->Values.end(), More->Values.begin(), More->Values.end());
  return Rows;
}

static std::vector<ScoredText> allOf(const ExitTexts &Texts, ExitTexts::Purpose What) {
  std::vector<ScoredText> All = Texts.Text[What];
  All.insert(All.end(), Texts.Own[What].begin(), Texts.Own[What].end());
  return All;
}

/// What the whole model makes of the texts.
bool ExitCalibration::startSamples(const ExitTexts &Texts, FittedExits &Fitted,
                                   Diagnostics &Diags) {
  std::optional<RowSet> Final = rowsOf(Texts, ExitTexts::Lens, std::nullopt, Diags);
  std::optional<RowSet> Others =
      Final ? rowsOf(Texts, ExitTexts::Predicate, std::nullopt, Diags) : std::nullopt;
  std::optional<SaidTokens> Said =
      Others ? Meter.say(*Others, allOf(Texts, ExitTexts::Predicate), Diags) : std::nullopt;
  if (!Said)
    return false;
  FinalOfLens = std::move(*Final);
  SaidByWhole = std::move(Said->Likeliest);
  for (int Kind = 0; Kind < 2; ++Kind)
    for (auto [What, Samples] : {std::pair(ExitTexts::Threshold, &Fitted.Chosen[Kind]),
                                 std::pair(ExitTexts::Score, &Fitted.Scored[Kind])}) {
      const std::vector<ScoredText> &Own = (Kind ? Texts.Own : Texts.Text)[What];
      std::optional<RowSet> Rows = Meter.rows(Own, std::nullopt, Diags);
      Said = Rows ? Meter.say(*Rows, Own, Diags) : std::nullopt;
      if (!Said)
        return false;
      Samples->Likeliest = std::move(Said->Likeliest);
      Samples->WholeLoss = std::move(Said->Loss);
    }
  return true;
}

bool ExitCalibration::fitConfidence(int64_t Layer, const ExitTexts &Texts, FittedExits &Fitted,
                                    Diagnostics &Diags) {
  std::optional<RowSet> Rows = rowsOf(Texts, ExitTexts::Predicate, Layer, Diags);
  std::optional<SaidTokens> Said =
      Rows ? Meter.say(Fitted.Lenses.back().apply(*Rows), allOf(Texts, ExitTexts::Predicate), Diags)
           : std::nullopt;
  if (!Said)
    return false;
  std::vector<bool> Agrees;
  for (size_t I = 0; I < SaidByWhole.size(); ++I)
    Agrees.push_back(Said->Likeliest[I] == SaidByWhole[I]);
  Fitted.Predicates.push_back(fitPredicate(*Rows, Agrees));
  return true;
}

/// What the last exit that was fitted makes of the texts.
bool ExitCalibration::sample(int64_t Layer, std::span<const ScoredText> Texts,
                             const FittedExits &Fitted, ExitSamples &Into, Diagnostics &Diags) {
  std::optional<RowSet> Rows = Meter.rows(Texts, Layer, Diags);
  std::optional<SaidTokens> Said =
      Rows ? Meter.say(Fitted.Lenses.back().apply(*Rows), Texts, Diags) : std::nullopt;
  if (!Said)
    return false;
  ExitSamples::Exit &Own = Into.Exits.emplace_back();
  for (size_t I = 0; I < Rows->rows(); ++I) {
    Own.Confidence.push_back(Fitted.Predicates.back().confidence(Rows->row(I)));
    Own.Agrees.push_back(Said->Likeliest[I] == Into.Likeliest[I]);
  }
  Own.Loss = std::move(Said->Loss);
  return true;
}

bool ExitCalibration::fitExit(int64_t Layer, const ExitTexts &Texts, FittedExits &Fitted,
                              Diagnostics &Diags) {
  std::optional<RowSet> Rows = rowsOf(Texts, ExitTexts::Lens, Layer, Diags);
  if (!Rows)
    return false;
  Fitted.Lenses.push_back(fitLens(*Rows, FinalOfLens, Options.Rank));
  if (!fitConfidence(Layer, Texts, Fitted, Diags))
    return false;
  return sample(Layer, Texts.Text[ExitTexts::Threshold], Fitted, Fitted.Chosen[0], Diags) &&
         sample(Layer, Texts.Own[ExitTexts::Threshold], Fitted, Fitted.Chosen[1], Diags) &&
         sample(Layer, Texts.Text[ExitTexts::Score], Fitted, Fitted.Scored[0], Diags) &&
         sample(Layer, Texts.Own[ExitTexts::Score], Fitted, Fitted.Scored[1], Diags);
}

void ExitCalibration::addPoints(FittedExits &Fitted) const {
  auto Add = [&](const ExitPolicy &Policy, double Target) {
    ExitPoint &Point = Fitted.Points.emplace_back();
    Point.Policy = Policy;
    Point.Target = Target;
    Point.Left.resize(Fitted.Layers.size() + 1);
    for (const ExitSamples &Samples : Fitted.Scored)
      for (size_t I = 0; I < Samples.positions(); ++I)
        ++Point.Left[Policy.leaves(Samples, I)];
    Point.Text = scoreExits(Policy, Fitted.Scored[0]);
    Point.Own = scoreExits(Policy, Fitted.Scored[1]);
  };
  for (size_t Exit = 0; Exit < Fitted.Layers.size(); ++Exit)
    Add({.Always = Exit}, 0);
  for (double Target : Targets)
    Add({}, Target);
}

std::optional<FittedExits> ExitCalibration::run(const ExitTexts &Texts, Diagnostics &Diags) {
  FittedExits Fitted;
  if (!checkLayers(Diags) || !enter("running all layers", Diags) ||
      !startSamples(Texts, Fitted, Diags))
    return std::nullopt;
  Fitted.Layers = Options.Layers;
  for (int64_t Layer : Fitted.Layers)
    if (!enter("fitting an exit behind layer " + std::to_string(Layer), Diags) ||
        !fitExit(Layer, Texts, Fitted, Diags))
      return std::nullopt;
  Fitted.Rank = Fitted.Lenses.front().Rank;
  addPoints(Fitted);
  return Fitted;
}

} // namespace lathe
