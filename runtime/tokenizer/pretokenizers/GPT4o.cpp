//===- GPT4o.cpp - Expressions in the manner of o200k ---------------------===//
//
//   [^\r\n\p{L}\p{N}]?U*L+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//     |[^\r\n\p{L}\p{N}]?U+L*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//     |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
//   with U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and L = [\p{Ll}\p{Lm}\p{Lo}\p{M}]
//
// (openai/tiktoken, tiktoken_ext/openai_public.py).  Mistral's Tekken has no
// contractions and takes digits one by one.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

using namespace lathe;

static constexpr CharSet SetCaseless = charSet(CharClass::OtherLetter) | SetMark;
static constexpr CharSet SetUpperLike = charSet(CharClass::Upper) | SetCaseless;
static constexpr CharSet SetLowerLike = charSet(CharClass::Lower) | SetCaseless;

/// U*L+.  U* first takes all it can; when no L follows it gives back characters
/// until one is in L too, and after that one comes none.
static size_t matchCapitalised(TextSpan Text, size_t Position) {
  size_t Uppers = runOf(Text, Position, SetUpperLike);
  if (size_t Lowers = runOf(Text, Position + Uppers, SetLowerLike))
    return Uppers + Lowers;
  while (Uppers > 0 && !Text[Position + Uppers - 1].in(SetCaseless))
    --Uppers;
  return Uppers;
}

/// U+L* where U*L+ has failed, so that there is no L.
static size_t matchUpper(TextSpan Text, size_t Position) {
  return runOf(Text, Position, SetUpperLike);
}

static size_t matchLetters(TextSpan Text, size_t Position) {
  TextChar First = Text[Position];
  bool CanPrefix = !First.isNewline() && !First.in(SetLetter | SetNumber);
  for (auto Match : {matchCapitalised, matchUpper}) {
    if (size_t Length = CanPrefix ? Match(Text, Position + 1) : 0)
      return 1 + Length;
    if (size_t Length = Match(Text, Position))
      return Length;
  }
  return 0;
}

template <size_t MaxDigits, bool Contractions>
static size_t matchWord(TextSpan Text, size_t Position) {
  if (size_t Length = matchLetters(Text, Position)) {
    size_t End = Position + Length;
    if (Contractions && End < Text.size())
      Length += matchContraction(Text, End, /*IgnoreCase=*/true);
    return Length;
  }
  if (size_t Length = runOf(Text, Position, SetNumber, MaxDigits))
    return Length;

  constexpr CharSet Sign = SetAll & ~(SetSpace | SetLetter | SetNumber);
  size_t Space = Text[Position].is(' ') ? 1 : 0;
  if (size_t Length = Space + runOf(Text, Position + Space, Sign); Length > Space)
    return Length +
           runWhile(Text, Position + Length, [](TextChar C) { return C.isNewline() || C.is('/'); });
  if (size_t Length = matchSpacesToNewline(Text, Position))
    return Length;
  return matchSpaces(Text, Position);
}

template <size_t MaxDigits, bool Contractions>
static void split(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, matchWord<MaxDigits, Contractions>);
}

static constexpr SplitStage GPT4oStages[] = {split<3, true>};
static constexpr SplitStage TekkenStages[] = {split<1, false>};

static const PreTokenizerRegistration GPT4o({"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
                                            {.Name = {}, .Stages = GPT4oStages});
static const PreTokenizerRegistration
    Tekken({"tekken"}, {.Name = {}, .Stages = TekkenStages, .IgnoreMerges = true, .AddBos = true});
