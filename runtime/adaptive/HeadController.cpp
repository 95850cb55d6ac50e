//===- HeadController.cpp - Whether to screen the output head ---*- C++ -*-===//

#include "runtime/adaptive/HeadController.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <string>
#include <utility>

namespace lathe {

HeadReport &HeadReport::operator+=(const HeadReport &Other) {
  Steps += Other.Steps;
  Positions += Other.Positions;
  Whole += Other.Whole;
  Rows += Other.Rows;
  return *this;
}

std::optional<HeadMode> parseHeadMode(std::string_view Text, Diagnostics &Diags) {
  constexpr std::pair<std::string_view, HeadMode> Modes[] = {
      {"auto", HeadMode::Auto}, {"full", HeadMode::Full}, {"screened", HeadMode::Screened}};
  for (auto [Name, Mode] : Modes)
    if (Text == Name)
      return Mode;
  Diags.error(817, "head", "found " + quoted(Text) + ", expected auto, full or screened");
  return std::nullopt;
}

bool HeadController::isTrial() const {
  return Step >= FirstTrial && (Step - FirstTrial) % Interval < Trial;
}

int64_t HeadController::choose() {
  bool Possible = Wanted > 0 && Wanted <= Offered && Mode != HeadMode::Full;
  if (!Possible || Mode == HeadMode::Screened)
    Screening = Possible;
  else if (isTrial())
    Screening = (Step - FirstTrial) % 2 == 0;
  else
    Screening = Pays && PauseLeft == 0;
  return Screening ? Wanted : 0;
}

/// The medians of both kinds, as any step may have been interrupted.
void HeadController::closeTrial() {
  std::array<double, Trial / 2> Screened, Whole;
  for (int64_t I = 0; I < Trial / 2; ++I) {
    Screened[I] = Seconds[2 * I];
    Whole[I] = Seconds[2 * I + 1];
  }
  std::ranges::sort(Screened);
  std::ranges::sort(Whole);
  Pays = Screened[Trial / 4] < Whole[Trial / 4];
}

void HeadController::watch(const HeadReport &Report) {
  if (PauseLeft > 0)
    --PauseLeft;
  if (!Screening)
    return;
  SeenWhole += Report.Whole;
  Seen += Report.Positions;
  if (Seen < Window)
    return;
  if (SeenWhole * Window > TooManyWhole * Seen)
    PauseLeft = Pause;
  Seen = SeenWhole = 0;
}

void HeadController::told(double Taken, const HeadReport &Report) {
  if (isTrial()) {
    int64_t Number = (Step - FirstTrial) % Interval;
    Seconds[Number] = Taken;
    if (Number + 1 == Trial)
      closeTrial();
  }
  watch(Report);
  ++Step;
}

} // namespace lathe
