//===- OwnWords.cpp - What a model says behind pieces of a text -*- C++ -*-===//

#include "runtime/adaptive/OwnWords.h"

#include <algorithm>

namespace lathe {

int32_t likeliestToken(std::span<const float> Logits) {
  return static_cast<int32_t>(std::ranges::max_element(Logits) - Logits.begin());
}

/// Adds the likeliest tokens to texts, each of which has a sequence.
static bool continueTexts(Session &Run, std::span<ScoredText> Texts, size_t Tokens,
                          const std::function<bool()> &GoOn, Diagnostics &Diags) {
  auto Vocabulary = static_cast<size_t>(Run.vocabulary());
  std::vector<float> Logits(Texts.size() * Vocabulary);
  for (size_t I = 0; I < Texts.size(); ++I) {
    Run.truncate(static_cast<int32_t>(I), 0);
    if (!Run.append(static_cast<int32_t>(I), Texts[I].Tokens, LogitsOf::Last,
                    Logits.data() + I * Vocabulary, Diags))
      return false;
  }
  for (size_t Said = 0;; ++Said) {
    std::vector<Row> Rows;
    for (size_t I = 0; I < Texts.size(); ++I) {
      std::vector<int32_t> &Own = Texts[I].Tokens;
      Own.push_back(likeliestToken(std::span(Logits).subspan(I * Vocabulary, Vocabulary)));
      Rows.push_back({Own.back(), static_cast<int32_t>(Own.size() - 1), static_cast<int32_t>(I),
                      /*WantsLogits=*/true});
    }
    if (Said + 1 >= Tokens)
      return true;
    if (!GoOn() || !Run.step(Rows, Logits.data(), Diags))
      return false;
  }
}

std::optional<std::vector<ScoredText>> ownWords(Session &Run, std::span<const int32_t> Text,
                                                size_t Count, size_t PromptTokens, size_t Tokens,
                                                const std::function<bool()> &GoOn,
                                                Diagnostics &Diags) {
  std::vector<ScoredText> Texts;
  for (size_t I = 0; I < Count; ++I) {
    std::span<const int32_t> Prompt =
        Text.subspan(I * (Text.size() - PromptTokens) / Count, PromptTokens);
    Texts.push_back({{Prompt.begin(), Prompt.end()}, PromptTokens});
  }
  auto Together = static_cast<size_t>(Run.sequences());
  for (size_t First = 0; First < Count; First += Together) {
    std::span<ScoredText> Some = std::span(Texts).subspan(First, std::min(Together, Count - First));
    if (!continueTexts(Run, Some, Tokens, GoOn, Diags))
      return std::nullopt;
  }
  return Texts;
}

} // namespace lathe
