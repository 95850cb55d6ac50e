//===- BytePairMerges.h - Byte-pair encoding of a word ----------*- C++ -*-===//
//
// A word starts as one symbol per byte or character; again and again the neighbours whose
// pair stands first in the list of merges are joined, the leftmost first
// (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword
// Units").
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_BYTEPAIRMERGES_H
#define LATHE_RUNTIME_TOKENIZER_BYTEPAIRMERGES_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/FaultList.h"
#include "runtime/tokenizer/TextTable.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace lathe {

class BytePairMerges {
public:
  /// Reads `tokenizer.ggml.merges`; `Names` are the token texts, in byte-level
  /// characters.  Nullopt when there is an error.
  static std::optional<BytePairMerges> read(const GGUFFile &File, const TextTable &Names,
                                            Diagnostics &Diags);

  /// Memory that encode() reuses from word to word; one per thread.
  class Scratch {
    friend class BytePairMerges;
    struct Symbol {
      int32_t Id; ///< -1: has no token, or was joined to the one before.
      uint32_t Previous;
      uint32_t Next;
    };
    std::vector<Symbol> Symbols;
    /// A heap, smallest first: the rank of a merge above the symbol it is for.
    std::vector<uint64_t> Candidates;

    void start(size_t Count);
    void add(int32_t Id);
  };

  /// Appends the ids of `Word`, in O(n log n).  Bytes without a token are left
  /// out, and nothing merges across them.
  void encode(std::string_view Word, Scratch &Memory, std::vector<int32_t> &Ids) const;

  /// The same for a word that starts as the tokens `First`, -1 for none.
  void merge(std::span<const int32_t> First, Scratch &Memory, std::vector<int32_t> &Ids) const;

private:
  struct Merge {
    int32_t Left;
    int32_t Right;
    int32_t Result;
  };
  /// What may follow a left token.
  struct Partner {
    int32_t Right;
    uint32_t Rank;
  };

  BytePairMerges() = default;
  void readMerge(std::string_view Text, const TextTable &Names, FaultList &Faults);
  void indexPartners(size_t VocabularySize);
  void join(Scratch &Memory, std::vector<int32_t> &Ids) const;
  void pushCandidate(uint32_t Left, Scratch &Memory) const;

  std::array<int32_t, 256> ByteIds;
  std::vector<Merge> Merges; ///< By rank.
  /// Partners of token t, ascending: PartnerStarts[t] to PartnerStarts[t + 1].
  /// Searched in halves and not hashed, so no file can make it slow.
  std::vector<uint32_t> PartnerStarts;
  std::vector<Partner> Partners;
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_BYTEPAIRMERGES_H
