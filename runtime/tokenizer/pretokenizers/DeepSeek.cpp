//===- DeepSeek.cpp - The expressions of the DeepSeek models --------------===//
//
// From the tokenizer.json files of deepseek-ai/deepseek-llm-7b-base,
// deepseek-coder-6.7b-base and DeepSeek-V3.  Each is a sequence of isolated
// splits; the comments below quote them.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include <algorithm>
#include <iterator>

using namespace lathe;

namespace {
struct CharRange {
  uint32_t First;
  uint32_t Last;
};
} // namespace

static bool inRanges(std::span<const CharRange> Sorted, TextChar C) {
  auto It = std::partition_point(Sorted.begin(), Sorted.end(),
                                 [&](CharRange R) { return R.Last < C.value(); });
  return It != Sorted.end() && It->First <= C.value();
}

/// The letters of scripts with case that the expression of deepseek-llm lists
/// one by one, in place of a Unicode property.
static constexpr CharRange CasedLetters[] = {
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},
    {0xD8, 0xF6},       {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},
    {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x377},     {0x37B, 0x37D},
    {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},     {0x38C, 0x38C},
    {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},
    {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},
    {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},
    {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},
    {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},   {0x1F5B, 0x1F5B},
    {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
    {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},
    {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},
    {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},   {0x2115, 0x2115},
    {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},   {0x2128, 0x2128},
    {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
    {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},
    {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},
    {0xA680, 0xA69B},   {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},
    {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},   {0xFF21, 0xFF3A},
    {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
    {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}};

/// \s?X+ : the optional space is any white space.
template <typename AcceptT>
static size_t matchAfterSpace(TextSpan Text, size_t Position, AcceptT Accept) {
  size_t Space = Text[Position].in(SetSpace) ? 1 : 0;
  if (size_t Length = runWhile(Text, Position + Space, Accept))
    return Space + Length;
  // Some of the white space may be in X.
  return Space ? runWhile(Text, Position, Accept) : 0;
}

/// [\r\n]
static void splitNewlines(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths,
               [](TextSpan T, size_t P) -> size_t { return T[P].isNewline() ? 1 : 0; });
}

/// \s?[A-Za-z...]+ over CasedLetters.
static void splitCasedLetters(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) {
    return matchAfterSpace(T, P, [](TextChar C) { return inRanges(CasedLetters, C); });
  });
}

/// \s?[!-/:-~！-／：-～‘-‟　-。]+
static void splitSigns(TextSpan Text, std::vector<size_t> &Lengths) {
  static constexpr CharRange Signs[] = {{'!', '/'},       {':', '~'},       {0x2018, 0x201F},
                                        {0x3000, 0x3002}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}};
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) {
    return matchAfterSpace(T, P, [](TextChar C) { return inRanges(Signs, C); });
  });
}

/// \s+$
static void splitTrailingSpace(TextSpan Text, std::vector<size_t> &Lengths) {
  size_t Rest = Text.size();
  while (Rest > 0 && Text[Rest - 1].in(SetSpace))
    --Rest;
  if (Rest > 0)
    Lengths.push_back(Rest);
  if (Rest < Text.size())
    Lengths.push_back(Text.size() - Rest);
}

/// [一-龥ࠀ-一가-퟿]+
static void splitEastAsian(TextSpan Text, std::vector<size_t> &Lengths) {
  static constexpr CharRange EastAsian[] = {{0x0800, 0x9FA5}, {0xAC00, 0xD7FF}};
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) {
    return runWhile(T, P, [](TextChar C) { return inRanges(EastAsian, C); });
  });
}

/// [一-龥぀-ゟ゠-ヿ]+
static void splitHanAndKana(TextSpan Text, std::vector<size_t> &Lengths) {
  static constexpr CharRange HanAndKana[] = {{0x3040, 0x30FF}, {0x4E00, 0x9FA5}};
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) {
    return runWhile(T, P, [](TextChar C) { return inRanges(HanAndKana, C); });
  });
}

/// \s?\p{X}+
template <CharSet Set> static void splitAfterSpace(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) {
    return matchAfterSpace(T, P, [](TextChar C) { return C.in(Set); });
  });
}

static bool isASCIILetter(TextChar C) {
  return (C.value() >= 'A' && C.value() <= 'Z') || (C.value() >= 'a' && C.value() <= 'z');
}

/// [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
///   | ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
static size_t matchV3(TextSpan Text, size_t Position) {
  constexpr CharSet Word = SetLetter | SetMark;
  constexpr CharSet Sign = SetPunctuation | SetSymbol;
  TextChar First = Text[Position];
  if (First.value() < 0x80 && First.in(Sign))
    if (size_t Length = runWhile(Text, Position + 1, isASCIILetter))
      return 1 + Length;
  if (!First.isNewline() && !First.in(SetLetter | Sign))
    if (size_t Length = runOf(Text, Position + 1, Word))
      return 1 + Length;
  if (size_t Length = runOf(Text, Position, Word))
    return Length;
  size_t Space = First.is(' ') ? 1 : 0;
  if (size_t Length = Space + runOf(Text, Position + Space, Sign); Length > Space)
    return Length + runWhile(Text, Position + Length, [](TextChar C) { return C.isNewline(); });
  if (size_t Length = matchSpacesToNewline(Text, Position))
    return Length;
  return matchSpaces(Text, Position);
}

static void splitV3(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, matchV3);
}

static constexpr SplitStage LLMStages[] = {splitNewlines,  splitCasedLetters,
                                           splitSigns,     splitTrailingSpace,
                                           splitEastAsian, splitNumbers<size_t(-1)>};
static constexpr SplitStage CoderStages[] = {splitNewlines, splitAfterSpace<SetLetter>,
                                             splitAfterSpace<SetPunctuation>, splitEastAsian,
                                             splitNumbers<1>};
static constexpr SplitStage V3Stages[] = {splitNumbers<3>, splitHanAndKana, splitV3};

static const PreTokenizerRegistration LLM({"deepseek-llm"}, {.Name = {}, .Stages = LLMStages});
static const PreTokenizerRegistration Coder({"deepseek-coder"},
                                            {.Name = {}, .Stages = CoderStages});
static const PreTokenizerRegistration V3({"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
                                         {.Name = {}, .Stages = V3Stages});
