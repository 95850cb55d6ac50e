//===- TextClassifier.cpp - Texts to labels, as early as possible -*- C++ -*-===//

#include "runtime/classify/TextClassifier.h"

#include <chrono>

using namespace lathe;

TextClassifier::TextClassifier(Encoder &Model, ClassifierFile Heads)
    : Model(Model), File(std::move(Heads)),
      Vectors(static_cast<size_t>(Model.depths() * Model.width())), Scores(File.Labels.size()) {}

std::vector<std::vector<int32_t>> TextClassifier::tokenize(std::span<const std::string_view> Texts,
                                                           Diagnostics &Diags) const {
  return Model.tokenize(Texts, Diags, File.MaxTokens);
}

std::optional<Classification> TextClassifier::classify(const std::vector<int32_t> &Text,
                                                       ExitPolicy Policy, Diagnostics &Diags) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point Start = Clock::now();
  Classification Result;
  int64_t Last = Model.depths() - 1,
          FirstExit = Policy == ExitPolicy::Auto ? File.firstExit() : Last;
  if (!Model.begin(Text, File.Pool, Vectors.data(), Diags))
    return std::nullopt;
  for (int64_t Depth = 0;; ++Depth) {
    if (Depth >= FirstExit) {
      const ExitHead &Head = File.Heads[static_cast<size_t>(Depth - File.firstExit())];
      Result.Said = Head.judge(Vectors.data(), Scores.data());
      Result.Depth = Depth;
      if (Depth == Last || Result.Said.Margin >= File.Threshold)
        break;
    }
    if (!Model.advance(Vectors.data() + (Depth + 1) * Model.width(), Diags))
      return std::nullopt;
  }
  Result.Seconds = std::chrono::duration<double>(Clock::now() - Start).count();
  return Result;
}

std::optional<std::vector<Classification>>
TextClassifier::classify(std::span<const std::vector<int32_t>> Texts, ExitPolicy Policy,
                         Diagnostics &Diags, const std::atomic<bool> *Cancel) {
  std::vector<Classification> Result;
  for (const std::vector<int32_t> &Text : Texts) {
    if (Cancel && Cancel->load(std::memory_order_relaxed)) {
      Diags.error(807, {},
                  "interrupted with " + std::to_string(Texts.size() - Result.size()) +
                      " texts to go");
      return std::nullopt;
    }
    std::optional<Classification> Found = classify(Text, Policy, Diags);
    if (!Found)
      return std::nullopt;
    Result.push_back(*Found);
  }
  return Result;
}
