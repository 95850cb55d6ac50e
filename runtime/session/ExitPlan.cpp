//===- ExitPlan.cpp - When a row may leave the stack early ------*- C++ -*-===//

#include "runtime/session/ExitPlan.h"

#include "runtime/adaptive/PointController.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace lathe {

static constexpr float Never = std::numeric_limits<float>::infinity();

ExitPlan::ExitPlan(const Manifest &Code) : At(Code.Model.Layers, Never) {}

bool ExitPlan::leaves() const {
  return std::ranges::any_of(At, [](float Wanted) { return Wanted != Never; });
}

ExitPlan ExitPlan::always(const Manifest &Code, int64_t Layer) {
  ExitPlan Result(Code);
  Result.At[Layer] = -Never;
  return Result;
}

ExitPlan ExitPlan::above(const Manifest &Code, float Confidence) {
  ExitPlan Result(Code);
  for (int64_t Layer : Code.Exits)
    Result.At[Layer] = Confidence;
  return Result;
}

namespace {

/// Reads one text.
class ChoiceReader {
public:
  ChoiceReader(std::string_view Text, const Manifest &Code, Diagnostics &Diags)
      : Text(Text), Code(Code), Diags(Diags) {}

  std::optional<ExitChoice> read(double Seconds, double Layers);

private:
  std::optional<ExitChoice> refuse(const std::string &Expected) {
    Diags.error(847, "exit", "found " + quoted(Text) + ", expected " + Expected);
    return std::nullopt;
  }
  std::optional<ExitChoice> readLayer(std::string_view Words);
  std::optional<ExitChoice> readThresholds(std::string_view Words, bool HasTarget);

  std::string_view Text;
  const Manifest &Code;
  Diagnostics &Diags;
};

/// All of `Text` as a number.
template <typename Number> std::optional<Number> readNumber(std::string_view Text) {
  Number Value;
  auto [End, Fault] = std::from_chars(Text.data(), Text.data() + Text.size(), Value);
  if (Fault != std::errc() || End != Text.data() + Text.size())
    return std::nullopt;
  return Value;
}

} // namespace

std::optional<ExitChoice> ChoiceReader::readLayer(std::string_view Words) {
  std::optional<int64_t> Layer = readNumber<int64_t>(Words);
  if (Layer && std::ranges::binary_search(Code.Exits, *Layer))
    return ExitChoice{.Plans = {ExitPlan::always(Code, *Layer)}};
  std::string List;
  for (int64_t Each : Code.Exits)
    List += (List.empty() ? "" : ",") + std::to_string(Each);
  return refuse("a layer of those that have an exit, " + List);
}

std::optional<ExitChoice> ChoiceReader::readThresholds(std::string_view Words, bool HasTarget) {
  ExitChoice Result;
  if (HasTarget)
    Result.Plans.push_back(ExitPlan(Code));
  float Before = Never;
  for (bool More = true; More;) {
    size_t Comma = Words.find(',');
    std::optional<float> Wanted = readNumber<float>(Words.substr(0, Comma));
    if (!Wanted || !std::isfinite(*Wanted) || *Wanted >= Before)
      return refuse("confidences, descending, as in threshold:0.9");
    Result.Plans.push_back(ExitPlan::above(Code, Before = *Wanted));
    More = Comma != std::string_view::npos;
    Words.remove_prefix(More ? Comma + 1 : 0);
  }
  if (!HasTarget && Result.Plans.size() > 1)
    return refuse("one confidence, as there is no budget and no latency to choose by");
  if (std::ssize(Result.Plans) > PointController::MaxPoints)
    return refuse("at most " + std::to_string(PointController::MaxPoints - 1) + " confidences");
  return Result;
}

std::optional<ExitChoice> ChoiceReader::read(double Seconds, double Layers) {
  constexpr std::string_view Always = "always-at:", Threshold = "threshold:";
  bool HasTarget = Seconds > 0 || Layers > 0;
  if (Seconds > 0 && Layers > 0)
    return refuse("a budget or a latency, and not both");
  if (Text == "never" && !HasTarget)
    return ExitChoice();
  if (Code.Exits.empty())
    return refuse("never, and no budget or latency, as the program was compiled without exits");
  std::optional<ExitChoice> Result;
  if (Text.starts_with(Threshold))
    Result = readThresholds(Text.substr(Threshold.size()), HasTarget);
  else if (HasTarget)
    return refuse("threshold:CONFIDENCES, of which a budget or a latency chooses");
  else if (Text.starts_with(Always))
    Result = readLayer(Text.substr(Always.size()));
  else
    return refuse("never, always-at:LAYER or threshold:CONFIDENCE");
  if (Result) {
    Result->Seconds = Seconds;
    Result->Layers = Layers;
  }
  return Result;
}

std::optional<ExitChoice> ExitChoice::parse(std::string_view Text, double Seconds, double Layers,
                                            const Manifest &Code, Diagnostics &Diags) {
  return ChoiceReader(Text, Code, Diags).read(Seconds, Layers);
}

} // namespace lathe
