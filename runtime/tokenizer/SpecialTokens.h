//===- SpecialTokens.h - Tokens found in a text by their name ---*- C++ -*-===//

#ifndef LATHE_RUNTIME_TOKENIZER_SPECIALTOKENS_H
#define LATHE_RUNTIME_TOKENIZER_SPECIALTOKENS_H

#include "runtime/tokenizer/Vocabulary.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe {

/// Finds control and user-defined tokens in a text.
class SpecialTokens {
public:
  /// Views the pieces of `Tokens`, which must outlive this.
  explicit SpecialTokens(const Vocabulary &Tokens);

  struct Match {
    int32_t Id = -1; ///< -1: none.
    size_t Position = 0;
    size_t Length = 0;
  };

  /// The first match at or after `Start`, of those that begin there the
  /// longest.  Control tokens are found only if `Control`; user-defined ones
  /// always.
  Match find(std::string_view Text, size_t Start, bool Control) const;

private:
  struct Entry {
    std::string_view Text;
    int32_t Id;
    bool IsControl;
  };

  Match longestAt(std::string_view Text, size_t Position, bool Control) const;

  std::vector<Entry> Entries;            ///< Sorted by text.
  std::array<uint32_t, 257> FirstByte{}; ///< Where the entries with that first byte begin.
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_SPECIALTOKENS_H
