//===- SentencePieceMerges.cpp - Joining characters by score --------------===//

#include "runtime/tokenizer/SentencePieceMerges.h"

#include "runtime/support/Text.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

using namespace lathe;

static constexpr uint32_t NoSymbol = UINT32_MAX;

/// Symbols are counted in 32 bits, so longer texts are encoded in parts.
static constexpr size_t MaxPartBytes = size_t(1) << 30;

std::optional<std::vector<float>> lathe::readScores(const GGUFFile &File, const TextTable &Names,
                                                    FaultList &Faults) {
  constexpr std::string_view Key = "tokenizer.ggml.scores";
  std::optional<std::vector<float>> Scores = File.getFloats(Key);
  if (!Scores) {
    // Vocabulary::read has told about a single value.
    const GGUFValue *Value = File.findValue(Key);
    if (!Value || Value->Type == GGUFValueType::Array)
      Faults.error(703, "key " + quoted(Key),
                   std::string(Value ? "found an array of another type" : "is missing") +
                       ", expected an array of numbers");
    return std::nullopt;
  }
  // And about another length.
  bool Good = Scores->size() == Names.texts().size();
  for (size_t I = 0; I < Scores->size(); ++I) {
    if (std::isfinite((*Scores)[I]))
      continue;
    Good = false;
    Faults.error(715, "key " + quoted(Key),
                 "element " + std::to_string(I) + ": found " + std::to_string((*Scores)[I]) +
                     ", expected a finite number");
  }
  return Good ? std::move(Scores) : std::nullopt;
}

/// Orders finite scores, the highest first.
static uint32_t rankOf(float Score) {
  uint32_t Bits = std::bit_cast<uint32_t>(Score + 0.0f); // One zero, not two.
  bool Negative = Bits >> 31;
  return Negative ? Bits : ~Bits & 0x7FFFFFFF;
}

SentencePieceMerges::SentencePieceMerges(const Vocabulary &Tokens, TextTable Texts,
                                         const std::vector<float> &Scores)
    : Names(std::move(Texts)), Ranks(Scores.size(), NoRank), Fallback(Tokens, Names) {
  for (int32_t Id = 0; Id < Tokens.size(); ++Id) {
    if (Tokens.isControl(Id) || Tokens.type(Id) == TokenType::Byte)
      continue;
    Ranks[size_t(Id)] = rankOf(Scores[size_t(Id)]);
    Longest = std::max(Longest, Names.texts()[size_t(Id)].size());
  }
  Names.adopt();
}

/// What becomes of one text.
struct SentencePieceMerges::Work {
  struct Symbol {
    uint32_t Begin;
    uint32_t Size; ///< In bytes; 0 when it was joined to the one before.
    uint32_t Previous;
    uint32_t Next;
  };
  struct Pair {
    uint64_t Order; ///< The rank above the symbol on the left.
    uint32_t Size;  ///< Of both, to tell whether they are still what they were.

    bool operator<(const Pair &Other) const { return Order > Other.Order; }
  };

  std::string_view Text;
  std::vector<Symbol> Symbols;
  std::vector<Pair> Pairs; ///< A heap, the best first.

  void split();
  std::string_view textOf(const Symbol &S) const { return Text.substr(S.Begin, S.Size); }
};

void SentencePieceMerges::Work::split() {
  Symbols.clear();
  for (size_t Begin = 0; Begin < Text.size();) {
    uint32_t Index = uint32_t(Symbols.size()), Size = decodeUTF8(Text.substr(Begin)).Length;
    Symbols.push_back({uint32_t(Begin), Size, Index - 1, Index + 1});
    Begin += Size;
  }
  // The first one's Previous is NoSymbol already.
  Symbols.back().Next = NoSymbol;
}

void SentencePieceMerges::addPair(uint32_t Left, Work &Memory) const {
  if (Left == NoSymbol || Memory.Symbols[Left].Next == NoSymbol)
    return;
  const Work::Symbol &Symbol = Memory.Symbols[Left];
  uint32_t Size = Symbol.Size + Memory.Symbols[Symbol.Next].Size;
  if (int32_t Id = find(Memory.Text.substr(Symbol.Begin, Size)); Id >= 0)
    Memory.Pairs.push_back({uint64_t(Ranks[size_t(Id)]) << 32 | Left, Size});
  else
    return;
  std::push_heap(Memory.Pairs.begin(), Memory.Pairs.end());
}

void SentencePieceMerges::encodePart(std::string_view Part, Work &Memory,
                                     std::vector<int32_t> &Ids) const {
  Memory.Text = Part;
  Memory.split();
  std::vector<Work::Symbol> &Symbols = Memory.Symbols;
  for (uint32_t I = 0; I < Symbols.size(); ++I)
    addPair(I, Memory);

  while (!Memory.Pairs.empty()) {
    std::pop_heap(Memory.Pairs.begin(), Memory.Pairs.end());
    Work::Pair Best = Memory.Pairs.back();
    Memory.Pairs.pop_back();
    Work::Symbol &Left = Symbols[uint32_t(Best.Order)];
    if (Left.Size == 0 || Left.Next == NoSymbol || Left.Size + Symbols[Left.Next].Size != Best.Size)
      continue;
    Work::Symbol &Right = Symbols[Left.Next];
    Left.Size = Best.Size;
    Left.Next = Right.Next;
    Right.Size = 0;
    if (Left.Next != NoSymbol)
      Symbols[Left.Next].Previous = uint32_t(Best.Order);
    addPair(Left.Previous, Memory);
    addPair(uint32_t(Best.Order), Memory);
  }
  for (uint32_t I = 0; I != NoSymbol; I = Symbols[I].Next) {
    std::string_view Text = Memory.textOf(Symbols[I]);
    if (int32_t Id = find(Text); Id >= 0)
      Ids.push_back(Id);
    else
      Fallback.append(Text, Ids);
  }
}

void SentencePieceMerges::encode(std::string_view Text, std::vector<int32_t> &Ids) const {
  Work Memory;
  while (!Text.empty()) {
    size_t Size = std::min(Text.size(), MaxPartBytes);
    // Not inside a character.
    while (Size < Text.size() && Size > 1 && (uint8_t(Text[Size]) & 0xC0) == 0x80)
      --Size;
    encodePart(Text.substr(0, Size), Memory, Ids);
    Text.remove_prefix(Size);
  }
}
