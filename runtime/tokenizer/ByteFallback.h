//===- ByteFallback.h - Tokens for what no other token covers ---*- C++ -*-===//
//
// SentencePiece vocabularies (google/sentencepiece, doc/special_symbols.md and
// trainer option byte_fallback) spell a space as U+2581 and hold a token
// <0x00> to <0xFF> for each byte, or an unknown token instead.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_BYTEFALLBACK_H
#define LATHE_RUNTIME_TOKENIZER_BYTEFALLBACK_H

#include "runtime/support/FaultList.h"
#include "runtime/tokenizer/TextTable.h"
#include "runtime/tokenizer/Vocabulary.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// What such a vocabulary writes for a space.
inline constexpr std::string_view SpaceMark = "\xE2\x96\x81";

class ByteFallback {
public:
  /// `Tokens` has passed check(); `Names` are the texts of its tokens.
  ByteFallback(const Vocabulary &Tokens, const TextTable &Names);

  /// For VocabularyRules: errors E0714 for byte tokens that are malformed, twice
  /// or incomplete, and when there is no unknown token in their place.
  static void check(const Vocabulary &Tokens, const TextTable &Names, FaultList &Faults);

  /// For VocabularyRules: marks become spaces, byte tokens bytes.
  static void decodePiece(std::string_view Text, TokenType Type, std::string &Out);

  /// Appends the ids of `Bytes`, one character or part of one.
  void append(std::string_view Bytes, std::vector<int32_t> &Ids) const;

private:
  std::array<int32_t, 256> ByteIds; ///< All -1 when the vocabulary has none.
  int32_t Unknown;
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_BYTEFALLBACK_H
