//===- TextTable.h - From a token's text to its id --------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_TOKENIZER_TEXTTABLE_H
#define LATHE_RUNTIME_TOKENIZER_TEXTTABLE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace lathe {

/// Finds the index of a text in a list.  The texts are views that must outlive
/// the table; empty ones are never found.
class TextTable {
public:
  struct Duplicate {
    int32_t First;
    int32_t Second;
  };

  TextTable() = default;

  /// At most 2^30 texts.  Of equal ones the first is found; the others are
  /// appended to `Duplicates` unless it is null.
  explicit TextTable(std::vector<std::string_view> Texts,
                     std::vector<Duplicate> *Duplicates = nullptr);

  /// Copies the texts, so that what they view may go.
  void adopt();

  /// -1 when `Text` is not in the table.
  int32_t find(std::string_view Text) const;

  const std::vector<std::string_view> &texts() const { return Texts; }

private:
  /// Half of the hash beside the index: most texts that differ are told apart
  /// without a look at them.
  struct Slot {
    int32_t Index = -1; ///< -1: free.
    uint32_t Tag = 0;
  };

  /// Where `Text` stands, or the free slot where it would; `Tag` receives its tag.
  size_t slotOf(std::string_view Text, uint32_t &Tag) const;

  std::vector<std::string_view> Texts;
  std::unique_ptr<char[]> Adopted; ///< What they view after adopt().
  std::vector<Slot> Slots;         ///< A power of two of them, at least half free.
  uint64_t Seed = 0;
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_TEXTTABLE_H
