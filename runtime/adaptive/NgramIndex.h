//===- NgramIndex.h - Where a text said the same before ---------*- C++ -*-===//
//
// An index over the tokens of one sequence that finds the longest earlier
// occurrence of its end.  Every token costs constant time on average, and a
// search looks at a bounded number of places.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_NGRAMINDEX_H
#define LATHE_RUNTIME_ADAPTIVE_NGRAMINDEX_H

#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

class NgramIndex {
public:
  /// Searches look at so many of the latest occurrences of the last three tokens.
  static constexpr int64_t MaxCandidates = 32;
  /// Longer agreement is not told apart.
  static constexpr int64_t MaxLength = 32;

  struct Match {
    int64_t Next = 0;   ///< Position of the token that followed the occurrence.
    int64_t Length = 0; ///< Tokens that agree: 2 to MaxLength; 0: there is none.
  };

  /// Nothing is allocated before there are more than `Positions` tokens.
  explicit NgramIndex(int64_t Positions);

  void push(int32_t Token);

  /// Among the latest occurrences of the last three tokens the one with most
  /// agreement before them, the latest of equals; without any, the latest
  /// occurrence of the last two.
  Match find() const;

  /// Fills `Into` with what followed the occurrence.  Where that reaches the end
  /// of the text it goes on with what was filled in: a text that repeats itself
  /// is taken to repeat itself again.
  void copy(const Match &From, std::span<int32_t> Into) const;

  std::span<const int32_t> tokens() const { return Tokens; }

private:
  /// Open addressing.  An occurrence is the position behind its last token, and 0
  /// is a free slot.
  class Table {
  public:
    Table(int64_t Width, int64_t Positions);
    /// The slot of the gram that ends ahead of position `Next`, or a free one.
    int32_t &slot(std::span<const int32_t> Tokens, int64_t Next);
    /// What is stored for it.
    int32_t find(std::span<const int32_t> Tokens, int64_t Next) const;
    /// Makes room for `Positions`, and stores again what is in it.
    void grow(std::span<const int32_t> Tokens, int64_t Positions);

  private:
    size_t locate(std::span<const int32_t> Tokens, int64_t Next) const;
    int64_t Width;
    std::vector<int32_t> Slots; ///< A power of two, at most half of them taken.
  };

  int64_t agreement(int64_t Next) const;

  int64_t Room; ///< Positions that tables and vectors have room for.
  Table Twos, Threes;
  std::vector<int32_t> Tokens;
  std::vector<int32_t> Earlier; ///< By position: the occurrence of the same three before it.
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_NGRAMINDEX_H
