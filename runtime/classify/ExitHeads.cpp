//===- ExitHeads.cpp - What says a label, at each depth ---------*- C++ -*-===//

#include "runtime/classify/ExitHeads.h"

#include <algorithm>
#include <cmath>

using namespace lathe;

void ExitHead::score(const float *Vectors, float *Scores) const {
  size_t Labels = Bias.size(), Features = Weights.size() / Labels;
  std::ranges::copy(Bias, Scores);
  const float *Row = Weights.data();
  for (size_t F = 0; F < Features; ++F, Row += Labels)
    for (size_t L = 0; L < Labels; ++L)
      Scores[L] += Vectors[F] * Row[L];
}

Verdict ExitHead::judge(const float *Vectors, float *Scores) const {
  score(Vectors, Scores);
  size_t Labels = Bias.size();
  size_t Best = static_cast<size_t>(std::max_element(Scores, Scores + Labels) - Scores);
  float Sum = 0, Next = 0;
  for (size_t L = 0; L < Labels; ++L) {
    float Share = std::exp((Scores[L] - Scores[Best]) / Temperature);
    Sum += Share;
    if (L != Best)
      Next = std::max(Next, Share);
  }
  return {Best, 1 / Sum, (1 - Next) / Sum};
}

int64_t JudgedTexts::countRight(size_t Depth) const {
  int64_t Count = 0;
  for (size_t I = 0; I < size(); ++I)
    Count += isRight(I, Depth);
  return Count;
}

JudgedTexts lathe::judgeTexts(const std::vector<ExitHead> &Heads, const LabelledVectors &Texts) {
  JudgedTexts Result;
  Result.Depths = Heads.size();
  Result.Label = Texts.Label;
  Result.Said.reserve(Texts.size() * Heads.size());
  std::vector<float> Scores(Heads.front().Bias.size());
  for (size_t I = 0; I < Texts.size(); ++I)
    for (const ExitHead &Head : Heads)
      Result.Said.push_back(Head.judge(Texts.of(I), Scores.data()));
  return Result;
}
