//===- ExitRule.cpp - Where a text may leave, and how sure one must be -----===//

#include "runtime/classify/ExitRule.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <cmath>

using namespace lathe;

/// Thresholds that are tried: multiples of 1 / Steps.
static constexpr int Steps = 200;
/// What the bounds of all choices together may be wrong with.
static constexpr double Doubt = 0.05;

/// How many standard deviations a normal number exceeds with this probability, below a half.
static double normalTail(double Probability) {
  double Low = 0, High = 40;
  for (int Step = 0; Step < 64; ++Step) {
    double Middle = (Low + High) / 2;
    (std::erfc(Middle / std::sqrt(2.0)) / 2 > Probability ? Low : High) = Middle;
  }
  return High;
}

size_t MarginExits::leave(const JudgedTexts &Texts, size_t Text) const {
  auto Depth = static_cast<size_t>(FirstExit);
  while (Depth + 1 < Texts.Depths && Texts.at(Text, Depth).Margin < Threshold)
    ++Depth;
  return Depth;
}

double ExitOutcome::bound() const {
  auto Choices = std::max<double>(1, static_cast<double>(LeftAt.size()) - 1);
  double Above = normalTail(Doubt / Choices) / std::sqrt(static_cast<double>(Texts));
  return loss() + 100 * Above * Deviation;
}

ExitOutcome lathe::evaluate(const MarginExits &Choice, const JudgedTexts &Texts,
                            const std::vector<float> &Work) {
  ExitOutcome Result;
  size_t Last = Texts.Depths - 1;
  double Squares = 0, Depths = 0;
  Result.LeftAt.resize(Texts.Depths);
  for (size_t I = 0; I < Texts.size(); ++I) {
    size_t Left = Choice.leave(Texts, I);
    bool Right = Texts.isRight(I, Left), Whole = Texts.isRight(I, Last);
    Result.Right += Right;
    Result.RightWhole += Whole;
    Squares += Right != Whole;
    Depths += static_cast<double>(Left);
    ++Result.LeftAt[Left];
    if (!Work.empty()) {
      Result.Work += Work[I * Texts.Depths + Left];
      Result.WholeWork += Work[I * Texts.Depths + Last];
    }
  }
  auto Count = static_cast<double>(Texts.size());
  Result.Texts = static_cast<int64_t>(Texts.size());
  double Mean = static_cast<double>(Result.RightWhole - Result.Right) / Count;
  Result.Deviation = std::sqrt(Squares / Count - Mean * Mean);
  Result.MeanDepth = Depths / Count;
  Result.Work /= Count;
  Result.WholeWork /= Count;
  return Result;
}

std::vector<MarginExits> ExitRule::choices(const JudgedTexts &Texts) const {
  std::vector<MarginExits> Result;
  for (int64_t First = 0; First + 1 < static_cast<int64_t>(Texts.Depths); ++First) {
    MarginExits Choice = {First, 2};
    for (int Step = Steps; Step >= 0; --Step) {
      MarginExits Lower = {First, static_cast<float>(Step) / Steps};
      if (evaluate(Lower, Texts).bound() > Target)
        break;
      Choice = Lower;
    }
    Result.push_back(Choice);
  }
  return Result;
}

std::string ExitRule::refusal(const ExitOutcome &Found) const {
  if (Found.gain() < Gain)
    return "gain below " + formatFixed(100 * Gain, 0) + " %";
  return {};
}
