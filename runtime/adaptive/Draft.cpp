//===- Draft.cpp - Guesses of the tokens that come next ---------*- C++ -*-===//

#include "runtime/adaptive/Draft.h"

#include <charconv>

namespace lathe {

static constexpr std::string_view DefaultKind = "ngram";

/// Nullopt unless `Text` is a number of tokens.
static std::optional<int64_t> readCount(std::string_view Text) {
  int64_t Count = 0;
  auto [End, Fault] = std::from_chars(Text.data(), Text.data() + Text.size(), Count);
  if (Fault != std::errc() || End != Text.data() + Text.size() || Count < 1 ||
      Count > MaxDraftTokens)
    return std::nullopt;
  return Count;
}

std::optional<SpeculationChoice> SpeculationChoice::parse(std::string_view Text,
                                                          Diagnostics &Diags) {
  if (Text == "off")
    return SpeculationChoice{};
  size_t Colon = Text.find(':');
  std::string_view Name = Text.substr(0, Colon);
  const DraftKind *Kind = Registry<DraftKind>::find(Name == "auto" ? DefaultKind : Name);
  if (Kind && Colon == Text.npos)
    return SpeculationChoice{Kind, 0};
  std::optional<int64_t> Count =
      Colon == Text.npos ? std::nullopt : readCount(Text.substr(Colon + 1));
  if (Kind && Count && Name != "auto")
    return SpeculationChoice{Kind, *Count};
  Diags.error(816, "speculation",
              "found '" + std::string(Text) + "', expected off, auto, a draft (" +
                  Registry<DraftKind>::names() + "), or one with ':' and 1 to " +
                  std::to_string(MaxDraftTokens));
  return std::nullopt;
}

} // namespace lathe
