//===- OwnWords.h - What a model says behind pieces of a text ---*- C++ -*-===//

#ifndef LATHE_RUNTIME_ADAPTIVE_OWNWORDS_H
#define LATHE_RUNTIME_ADAPTIVE_OWNWORDS_H

#include "runtime/session/Session.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace lathe {

/// A text, of which what follows token `First` - 1 counts.
struct ScoredText {
  std::vector<int32_t> Tokens;
  size_t First = 1;

  /// Rows whose next token counts.
  size_t counted() const { return Tokens.size() > First ? Tokens.size() - First : 0; }
};

/// The index of the greatest; of several the first.
int32_t likeliestToken(std::span<const float> Logits);

/// `Count` times `PromptTokens` of `Text`, from places evenly apart, which must have room
/// for one, and the likeliest `Tokens` tokens behind each.  The session's sequences run at the
/// same time; all of them are overwritten.  Nullopt with the errors of Session::step, or
/// when `GoOn` is false between steps.
std::optional<std::vector<ScoredText>> ownWords(Session &Run, std::span<const int32_t> Text,
                                                size_t Count, size_t PromptTokens, size_t Tokens,
                                                const std::function<bool()> &GoOn,
                                                Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_OWNWORDS_H
