//===- PreTokenizer.h - Cutting a text into words ---------------*- C++ -*-===//
//
// Before byte-pair merging a text is cut into words by one or more regular
// expressions, named by `tokenizer.ggml.pre`.  They are hand-written scanners
// here, one file per family in runtime/tokenizer/pretokenizers/, which also
// quotes the expression; each registers itself under its names.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_PRETOKENIZER_H
#define LATHE_RUNTIME_TOKENIZER_PRETOKENIZER_H

#include "runtime/tokenizer/Registry.h"
#include "runtime/tokenizer/Unicode.h"

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace lathe {

/// One expression: appends the lengths of the pieces of `Text`, in order, all
/// positive.  They add up to its length.
using SplitStage = void (*)(TextSpan Text, std::vector<size_t> &Lengths);

struct PreTokenizer {
  std::string_view Name;
  /// Applied one after the other, each to every piece of the one before.
  std::span<const SplitStage> Stages;
  /// A word that is a token itself is taken whole, merges or not.
  bool IgnoreMerges = false;
  /// Whether a start token is put first when the file does not say.
  bool AddBos = false;
};

/// Registers `Traits` under each of `Names`.
struct PreTokenizerRegistration {
  PreTokenizerRegistration(std::initializer_list<std::string_view> Names, PreTokenizer Traits);
};

/// Lengths, in characters, of the words of `Text`.
std::vector<size_t> splitWords(const PreTokenizer &Rules, TextSpan Text);

/// Cuts like a regular expression that is searched for repeatedly: every match
/// is a piece and so is what lies between two.  `Match(Text, Position)` returns
/// the length of the match at that position, 0 for none.
template <typename MatchT>
void splitByMatch(TextSpan Text, std::vector<size_t> &Lengths, MatchT Match) {
  size_t Gap = 0; // Where the characters since the last match begin.
  for (size_t Position = 0; Position < Text.size();) {
    size_t Length = Match(Text, Position);
    if (Length == 0) {
      ++Position;
      continue;
    }
    if (Gap < Position)
      Lengths.push_back(Position - Gap);
    Lengths.push_back(Length);
    Position += Length;
    Gap = Position;
  }
  if (Gap < Text.size())
    Lengths.push_back(Text.size() - Gap);
}

//===----------------------------------------------------------------------===//
// What the expressions are made of
//===----------------------------------------------------------------------===//

/// Number of characters from `Position` on that `Accept` takes, at most `Limit`.
template <typename AcceptT>
size_t runWhile(TextSpan Text, size_t Position, AcceptT Accept, size_t Limit = size_t(-1)) {
  size_t Length = 0;
  while (Length < Limit && Position + Length < Text.size() && Accept(Text[Position + Length]))
    ++Length;
  return Length;
}

inline size_t runOf(TextSpan Text, size_t Position, CharSet Set, size_t Limit = size_t(-1)) {
  return runWhile(Text, Position, [=](TextChar C) { return C.in(Set); }, Limit);
}

/// 's|'t|'re|'ve|'m|'ll|'d in lower case, or in any when `IgnoreCase`.
size_t matchContraction(TextSpan Text, size_t Position, bool IgnoreCase);

/// \s+(?!\S)|\s+ : white space up to, but leaving out, the last one before a
/// character that is none.
size_t matchSpaces(TextSpan Text, size_t Position);

/// \s*[\r\n]+ : white space up to its last line end.
size_t matchSpacesToNewline(TextSpan Text, size_t Position);

/// The GPT-2 expression, which several others build on.
void splitGPT2(TextSpan Text, std::vector<size_t> &Lengths);

/// [0-9][0-9][0-9]
void splitDigitTriples(TextSpan Text, std::vector<size_t> &Lengths);

/// \p{N}{1,Limit}
template <size_t Limit> void splitNumbers(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) { return runOf(T, P, SetNumber, Limit); });
}

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_PRETOKENIZER_H
