//===- SentencePieceMerges.h - Joining characters by score ------*- C++ -*-===//
//
// A text starts as one symbol per character; again and again the neighbours
// that together are the token of the highest score are joined, the leftmost
// first (google/sentencepiece, src/bpe_model.cc).  What has no token in the end
// is spelt in bytes.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_SENTENCEPIECEMERGES_H
#define LATHE_RUNTIME_TOKENIZER_SENTENCEPIECEMERGES_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/FaultList.h"
#include "runtime/tokenizer/ByteFallback.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lathe {

/// `tokenizer.ggml.scores`, one finite number for each of `Names`; nullopt and
/// errors E0703, E0704 or E0715.
std::optional<std::vector<float>> readScores(const GGUFFile &File, const TextTable &Names,
                                             FaultList &Faults);

class SentencePieceMerges {
public:
  /// Takes the texts over.  `Scores` has one element for each.
  SentencePieceMerges(const Vocabulary &Tokens, TextTable Texts, const std::vector<float> &Scores);

  /// Appends the ids of `Text`, whose spaces are marked, in O(n log n) look-ups
  /// of at most as many bytes as the longest token has.
  void encode(std::string_view Text, std::vector<int32_t> &Ids) const;

private:
  struct Work;

  void encodePart(std::string_view Part, Work &Memory, std::vector<int32_t> &Ids) const;
  void addPair(uint32_t Left, Work &Memory) const;

  /// The token of text `Text` that text may become, or -1.
  int32_t find(std::string_view Text) const {
    int32_t Id = Text.size() <= Longest ? Names.find(Text) : -1;
    return Id >= 0 && Ranks[size_t(Id)] != NoRank ? Id : -1;
  }

  static constexpr uint32_t NoRank = UINT32_MAX;

  TextTable Names;
  std::vector<uint32_t> Ranks; ///< Smaller for a higher score; NoRank for structure and bytes.
  ByteFallback Fallback;
  size_t Longest = 0; ///< Bytes of the longest token that text may become.
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_SENTENCEPIECEMERGES_H
