//===- AdaptiveRun.cpp - How much of a model a run takes --------*- C++ -*-===//

#include "runtime/adaptive/AdaptiveRun.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

std::optional<AdaptiveRun> AdaptiveRun::choose(const AdaptiveRequest &Wanted,
                                               const Calibration *Measured,
                                               const std::string &Where, Diagnostics &Diags) {
  AdaptiveRun Result(Wanted);
  if (!Result.check(Measured != nullptr, Diags))
    return std::nullopt;
  bool Chosen = true;
  if (Wanted.Exit)
    Chosen = Result.choosePolicy(Measured, Where, Diags);
  else if (Measured && !Result.hasLayers())
    Chosen = Result.choosePoints(*Measured, Where, Diags);
  return Chosen ? std::optional(std::move(Result)) : std::nullopt;
}

bool AdaptiveRun::check(bool HasMeasured, Diagnostics &Diags) const {
  auto Refuse = [&](const std::string &Found, const std::string &Expected,
                    const std::string &Hint) {
    Diags.error(849, "run", "found " + Found + ", expected " + Expected, Hint);
    return false;
  };
  // A number that is none is neither.
  auto InRange = [](double Value, double Most) { return Value >= 0 && Value <= Most; };
  if (!InRange(Wanted.Seconds, 1e6) || !InRange(Wanted.Budget, 1) || !InRange(Wanted.Quality, 1))
    return Refuse("a latency of " + formatFixed(Wanted.Seconds, 3) + " s, a budget of " +
                      formatFixed(Wanted.Budget, 3) + " and a quality of " +
                      formatFixed(Wanted.Quality, 3),
                  "0 to 1000000 s, and 0 to 1", "0 asks for nothing");
  if (Wanted.Seconds > 0 && Wanted.Budget > 0)
    return Refuse("a budget beside a latency", "one of them", "");
  if (Wanted.Quality > 0 && !HasMeasured)
    return Refuse("a quality", "a calibrated model", "'lathe calibrate' measures it");
  if (Wanted.Exit || !hasTarget())
    return true;
  if (!HasMeasured)
    return Refuse("a budget or a latency", "a calibrated model, or a policy of exits to hold it by",
                  "'lathe calibrate' measures what to choose from");
  if (hasLayers())
    return Refuse("a budget, a latency or a quality beside a list of layers", "one of them",
                  "of listed layers nothing was measured to choose from");
  return true;
}

/// A policy that was asked for, refused or not.
bool AdaptiveRun::choosePolicy(const Calibration *Measured, const std::string &Where,
                               Diagnostics &Diags) {
  How = *Wanted.Exit;
  LayerShare = Wanted.Budget;
  if (Measured && How == "never")
    Points = {OperatingPoint()};
  else if (Measured)
    Points = Measured->find(How);
  bool Meets = !Points.empty() && Points.front().Agreement >= Wanted.Quality;
  if (Wanted.Quality == 0 || Meets)
    return true;
  Diags.error(845, Where,
              "found no exit " + quoted(How) + " of which an agreement of at least " +
                  formatFixed(Wanted.Quality, 2) + " was measured",
              "leave out the quality, or the exit, for what was measured to decide");
  return false;
}

bool AdaptiveRun::choosePoints(const Calibration &Measured, const std::string &Where,
                               Diagnostics &Diags) {
  if (Wanted.Seconds > 0) {
    Points = Measured.thresholds(Wanted.Quality, How, Where, Diags);
    return !Points.empty();
  }
  double Budget = Wanted.Budget > 0 ? Wanted.Budget : 1;
  std::optional<OperatingPoint> Chosen = Measured.choose({Budget, Wanted.Quality}, Where, Diags);
  if (!Chosen)
    return false;
  if (!Chosen->Skip.empty())
    Wanted.Skip = Chosen->Skip;
  if (!Chosen->Exit.empty())
    How = Chosen->Exit;
  Points = {std::move(*Chosen)};
  return true;
}

bool AdaptiveRun::bind(const Manifest &Code, const LayerMask &Now, Diagnostics &Diags) {
  std::optional<ExitChoice> Found = ExitChoice::parse(How, Wanted.Seconds, LayerShare, Code, Diags);
  if (!Found)
    return false;
  Exits = std::move(*Found);
  bool Chosen = !Points.empty();
  if (hasLayers() || (Chosen && hasTarget())) {
    Layers = LayerMask::parse(Wanted.Layers.value_or(""), Wanted.Skip.value_or(""), Code, Diags);
    if (!Layers)
      return false;
  }
  // Of other layers, and of a mix of plans, nobody has measured anything.
  const LayerMask &Run = Layers ? *Layers : Now;
  bool AsMeasured = Chosen && Run.skippedText().empty() == Points.front().Skip.empty();
  if (!AsMeasured || Points.size() != std::max<size_t>(Exits.Plans.size(), 1))
    Points.clear();
  return true;
}

ExpectedRun AdaptiveRun::expected(const ExitStats &Steps) const {
  ExpectedRun Result{};
  double Count = 0;
  for (size_t I = 0; I < Points.size(); ++I) {
    const OperatingPoint &Each = Points[I];
    double Own = Points.size() == 1 ? 1 : static_cast<double>(Steps.ByPlan[I]);
    Result.Agreement += Own * Each.Agreement;
    Result.Time += Own * Each.Time;
    Count += Own;
    std::string Name = !Each.Skip.empty()   ? "skip " + Each.Skip
                       : !Each.Exit.empty() ? Each.Exit
                                            : "all layers";
    Result.Points += (Result.Points.empty() ? "" : ", ") + Name;
  }
  constexpr double Unknown = std::numeric_limits<double>::quiet_NaN();
  Result.Agreement = Count > 0 ? Result.Agreement / Count : Unknown;
  Result.Time = Count > 0 ? Result.Time / Count : Unknown;
  return Result;
}

} // namespace lathe
