//===- DepthScores.cpp - What leaving layers out does to a model -*- C++ -*-===//

#include "runtime/adaptive/DepthScores.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace lathe {

/// This much memory holds the logits of a block of rows.
static constexpr size_t BlockBytes = size_t(16) << 20;

double DepthScore::perplexityRatio() const {
  return Positions ? std::exp((PartLoss - WholeLoss) / static_cast<double>(Positions)) : 1;
}

DepthMeter::DepthMeter(Session &Run, std::span<const std::shared_ptr<const LayerMask>> Parts)
    : Run(Run), Parts(Parts), Scores(Parts.size()),
      Vocabulary(static_cast<size_t>(Run.vocabulary())),
      BlockRows(std::clamp<size_t>(BlockBytes / (Vocabulary * sizeof(float)), 1, 128)),
      Logits(BlockRows * Vocabulary), Whole(BlockRows * Vocabulary), Best(BlockRows) {
  assert(Run.sequences() > static_cast<int64_t>(Parts.size()) && "a sequence for each part");
}

bool DepthMeter::start(Diagnostics &Diags) {
  for (size_t I = 0; I <= Parts.size(); ++I) {
    int32_t Sequence = static_cast<int32_t>(I);
    Run.truncate(Sequence, 0);
    if (!Run.setLayers(Sequence, I == 0 ? nullptr : Parts[I - 1], Diags))
      return false;
  }
  return true;
}

double logSum(std::span<const float> Row) {
  float Most = *std::max_element(Row.begin(), Row.end());
  double Sum = 0;
  for (float Each : Row)
    Sum += std::exp(Each - Most);
  return Most + std::log(Sum);
}

void DepthMeter::readWhole(size_t Rows) {
  for (size_t I = 0; I < Rows; ++I) {
    std::span<const float> Row = std::span(Logits).subspan(I * Vocabulary, Vocabulary);
    double Total = logSum(Row);
    Best[I] = likeliestToken(Row);
    for (size_t V = 0; V < Vocabulary; ++V)
      Whole[I * Vocabulary + V] = static_cast<float>(Row[V] - Total);
  }
}

/// `Next` are the tokens that followed the rows of the block; those from `FirstRow` on count.
void DepthMeter::compare(DepthScore &Score, std::span<const int32_t> Next, size_t FirstRow) {
  for (size_t I = FirstRow; I < Next.size(); ++I) {
    std::span<const float> Row = std::span(Logits).subspan(I * Vocabulary, Vocabulary);
    std::span<const float> Own = std::span(Whole).subspan(I * Vocabulary, Vocabulary);
    double Total = logSum(Row), Sum = 0;
    for (size_t V = 0; V < Vocabulary; ++V)
      Sum += std::exp(Own[V]) * (Own[V] - (Row[V] - Total));
    ++Score.Positions;
    Score.Agreeing += likeliestToken(Row) == Best[I];
    Score.Divergence += Sum;
    Score.WholeLoss -= Own[Next[I]];
    Score.PartLoss -= Row[Next[I]] - Total;
  }
}

bool DepthMeter::add(const ScoredText &Text, Diagnostics &Diags) {
  if (Text.Tokens.size() < 2)
    return true;
  if (!start(Diags))
    return false;
  // Nothing follows the last token.
  std::span<const int32_t> Rows = std::span(Text.Tokens).first(Text.Tokens.size() - 1);
  for (size_t Start = 0; Start < Rows.size(); Start += BlockRows) {
    std::span<const int32_t> Block = Rows.subspan(Start, std::min(BlockRows, Rows.size() - Start));
    std::span<const int32_t> Next = std::span(Text.Tokens).subspan(Start + 1, Block.size());
    size_t Before = Text.First > Start + 1 ? Text.First - Start - 1 : 0;
    if (!Run.append(0, Block, LogitsOf::All, Logits.data(), Diags))
      return false;
    readWhole(Block.size());
    for (size_t I = 0; I < Parts.size(); ++I) {
      if (!Run.append(static_cast<int32_t>(I + 1), Block, LogitsOf::All, Logits.data(), Diags))
        return false;
      compare(Scores[I], Next, Before);
    }
  }
  return true;
}

} // namespace lathe
