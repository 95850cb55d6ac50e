//===- PreTokenizer.cpp - Cutting a text into words -----------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

using namespace lathe;

PreTokenizerRegistration::PreTokenizerRegistration(std::initializer_list<std::string_view> Names,
                                                   PreTokenizer Traits) {
  for (std::string_view Name : Names) {
    Traits.Name = Name;
    Registry<PreTokenizer>::Registration{Traits};
  }
}

std::vector<size_t> lathe::splitWords(const PreTokenizer &Rules, TextSpan Text) {
  std::vector<size_t> Lengths;
  if (!Text.empty())
    Lengths.push_back(Text.size());
  std::vector<size_t> Coarser;
  for (SplitStage Stage : Rules.Stages) {
    Coarser.swap(Lengths);
    Lengths.clear();
    size_t Position = 0;
    for (size_t Length : Coarser) {
      Stage(Text.subspan(Position, Length), Lengths);
      Position += Length;
    }
  }
  return Lengths;
}

size_t lathe::matchContraction(TextSpan Text, size_t Position, bool IgnoreCase) {
  if (!Text[Position].is('\'') || Position + 1 >= Text.size())
    return 0;
  auto LowerAt = [&](size_t I) -> uint32_t {
    if (I >= Text.size())
      return 0;
    uint32_t C = Text[I].value();
    return IgnoreCase && C >= 'A' && C <= 'Z' ? C - 'A' + 'a' : C;
  };
  uint32_t First = LowerAt(Position + 1);
  if (First == 's' || First == 't' || First == 'm' || First == 'd')
    return 2;
  uint32_t Second = LowerAt(Position + 2);
  bool Pair = (First == 'r' && Second == 'e') || (First == 'v' && Second == 'e') ||
              (First == 'l' && Second == 'l');
  return Pair ? 3 : 0;
}

size_t lathe::matchSpaces(TextSpan Text, size_t Position) {
  size_t Run = runOf(Text, Position, SetSpace);
  bool AtEnd = Position + Run == Text.size();
  return AtEnd || Run < 2 ? Run : Run - 1;
}

size_t lathe::matchSpacesToNewline(TextSpan Text, size_t Position) {
  size_t Run = runOf(Text, Position, SetSpace);
  while (Run > 0 && !Text[Position + Run - 1].isNewline())
    --Run;
  return Run;
}

static size_t matchGPT2(TextSpan Text, size_t Position) {
  if (size_t Length = matchContraction(Text, Position, /*IgnoreCase=*/false))
    return Length;
  size_t Space = Text[Position].is(' ') ? 1 : 0;
  for (CharSet Set : {SetLetter, SetNumber, CharSet(SetAll & ~(SetSpace | SetLetter | SetNumber))})
    if (size_t Length = runOf(Text, Position + Space, Set))
      return Space + Length;
  return matchSpaces(Text, Position);
}

void lathe::splitGPT2(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, matchGPT2);
}

void lathe::splitDigitTriples(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) -> size_t {
    auto IsDigit = [](TextChar C) { return C.value() >= '0' && C.value() <= '9'; };
    return runWhile(T, P, IsDigit, 3) == 3 ? 3 : 0;
  });
}
