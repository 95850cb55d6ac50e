//===- NgramDraft.cpp - What followed the same words before -----*- C++ -*-===//
//
// Answers quote their questions: a function that is rewritten, a text that is
// summarised.  This draft continues with what followed the last two or three
// tokens (more where more agree) when they stood in the sequence before.
//
//===----------------------------------------------------------------------===//

#include "runtime/adaptive/Draft.h"
#include "runtime/adaptive/NgramIndex.h"

#include <algorithm>

using namespace lathe;

namespace {

/// An index for more positions than that grows on the way.
constexpr int64_t MaxReserved = int64_t(1) << 15;

class NgramDraft final : public Draft {
public:
  explicit NgramDraft(int64_t Positions) : Index(std::min(Positions, MaxReserved)) {}

  void told(std::span<const int32_t> Tokens) override {
    for (int32_t Token : Tokens)
      Index.push(Token);
  }

  DraftOffer offer() override {
    Found = Index.find();
    if (!Found.Length)
      return {};
    int64_t Length = Found.Length;
    return {MaxDraftTokens, Length >= 8 ? 3 : Length >= 4 ? 2 : Length == 3 ? 1 : 0};
  }

  int64_t propose(std::span<int32_t> Into) override {
    Index.copy(Found, Into);
    return static_cast<int64_t>(Into.size());
  }

private:
  NgramIndex Index;
  NgramIndex::Match Found;
};

std::unique_ptr<Draft> createDraft(const DraftContext &Context) {
  return std::make_unique<NgramDraft>(Context.Positions);
}

const Registry<DraftKind>::Registration Registered({
    "ngram",
    "what followed the same two or three tokens before",
    true,
    createDraft,
});

} // namespace
