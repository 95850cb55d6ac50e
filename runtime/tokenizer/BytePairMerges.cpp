//===- BytePairMerges.cpp - Byte-pair encoding of a word ------------------===//

#include "runtime/tokenizer/BytePairMerges.h"

#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <functional>
#include <string>

using namespace lathe;

static constexpr uint32_t NoSymbol = UINT32_MAX;

/// Symbols are counted in 32 bits, so longer words are encoded in parts.
static constexpr size_t MaxPartSymbols = size_t(1) << 30;

void BytePairMerges::readMerge(std::string_view Text, const TextTable &Names, FaultList &Faults) {
  std::string Where = "merge " + std::to_string(Merges.size());
  // No token text holds a space, but the left one may be a character of any kind.
  size_t Space = Text.find(' ', 1);
  if (Space == std::string_view::npos || Space + 1 == Text.size()) {
    Faults.error(708, Where, "found " + quoted(Text) + ", expected two tokens and a space between");
    Merges.push_back({-1, -1, -1});
    return;
  }
  std::string_view Left = Text.substr(0, Space), Right = Text.substr(Space + 1);
  std::string Joined(Left);
  Joined += Right;
  // Most vocabularies list their tokens in the order of the merges, so the next
  // one is tried before the table.
  size_t Guess = Merges.empty() ? 0 : size_t(Merges.back().Result + 1);
  bool Hit = Guess < Names.texts().size() && Names.texts()[Guess] == Joined;
  Merge New = {Names.find(Left), Names.find(Right), Hit ? int32_t(Guess) : Names.find(Joined)};
  for (auto [Id, Part] : {std::pair(New.Left, Left), std::pair(New.Right, Right),
                          std::pair(New.Result, std::string_view(Joined))})
    if (Id < 0)
      Faults.error(708, Where, "needs " + quoted(Part) + ", which is no token");
  Merges.push_back(New);
}

std::optional<BytePairMerges> BytePairMerges::read(const GGUFFile &File, const TextTable &Names,
                                                   Diagnostics &Diags) {
  FaultList Faults(Diags, File.path());
  constexpr std::string_view Key = "tokenizer.ggml.merges";
  std::optional<std::vector<std::string_view>> Texts = File.getStrings(Key);
  if (!Texts) {
    Faults.error(703, "key " + quoted(Key),
                 "is missing or of another type, expected an array of "
                 "strings");
    return std::nullopt;
  }
  if (Texts->size() > limits::MaxVocabulary) {
    Faults.error(703, "key " + quoted(Key),
                 "has " + std::to_string(Texts->size()) + " merges, expected at most " +
                     std::to_string(limits::MaxVocabulary));
    return std::nullopt;
  }

  BytePairMerges Result;
  for (unsigned Byte = 0; Byte < 256; ++Byte) {
    std::string Char;
    appendUTF8(byteLevelChar(uint8_t(Byte)), Char);
    Result.ByteIds[Byte] = Names.find(Char);
  }
  Result.Merges.reserve(Texts->size());
  for (std::string_view Text : *Texts)
    Result.readMerge(Text, Names, Faults);
  if (Faults.any())
    return std::nullopt;
  Result.indexPartners(Names.texts().size());
  return Result;
}

void BytePairMerges::indexPartners(size_t VocabularySize) {
  PartnerStarts.assign(VocabularySize + 1, 0);
  for (const Merge &M : Merges)
    ++PartnerStarts[size_t(M.Left) + 1];
  for (size_t I = 0; I < VocabularySize; ++I)
    PartnerStarts[I + 1] += PartnerStarts[I];
  Partners.resize(Merges.size());
  std::vector<uint32_t> Next(PartnerStarts.begin(), PartnerStarts.end() - 1);
  for (uint32_t Rank = 0; Rank < Merges.size(); ++Rank)
    Partners[Next[size_t(Merges[Rank].Left)]++] = {Merges[Rank].Right, Rank};
  // Of a merge that stands twice the first counts.
  auto Less = [](Partner A, Partner B) {
    return A.Right != B.Right ? A.Right < B.Right : A.Rank < B.Rank;
  };
  for (size_t I = 0; I < VocabularySize; ++I)
    std::sort(Partners.begin() + PartnerStarts[I], Partners.begin() + PartnerStarts[I + 1], Less);
}

void BytePairMerges::pushCandidate(uint32_t Left, Scratch &Memory) const {
  if (Left == NoSymbol)
    return;
  const Scratch::Symbol &Symbol = Memory.Symbols[Left];
  if (Symbol.Id < 0 || Symbol.Next == NoSymbol)
    return;
  int32_t Right = Memory.Symbols[Symbol.Next].Id;
  auto End = Partners.begin() + PartnerStarts[size_t(Symbol.Id) + 1];
  auto Found = std::lower_bound(Partners.begin() + PartnerStarts[size_t(Symbol.Id)], End, Right,
                                [](Partner P, int32_t Id) { return P.Right < Id; });
  if (Found == End || Found->Right != Right)
    return;
  Memory.Candidates.push_back(uint64_t(Found->Rank) << 32 | Left);
  std::push_heap(Memory.Candidates.begin(), Memory.Candidates.end(), std::greater<>());
}

void BytePairMerges::Scratch::start(size_t Count) {
  Symbols.clear();
  Symbols.reserve(Count);
}

void BytePairMerges::Scratch::add(int32_t Id) {
  uint32_t Index = uint32_t(Symbols.size());
  if (Index > 0)
    Symbols.back().Next = Index;
  Symbols.push_back({Id, Index == 0 ? NoSymbol : Index - 1, NoSymbol});
}

void BytePairMerges::join(Scratch &Memory, std::vector<int32_t> &Ids) const {
  std::vector<Scratch::Symbol> &Symbols = Memory.Symbols;
  for (uint32_t I = 0; I < Symbols.size(); ++I)
    pushCandidate(I, Memory);

  while (!Memory.Candidates.empty()) {
    std::pop_heap(Memory.Candidates.begin(), Memory.Candidates.end(), std::greater<>());
    uint64_t Best = Memory.Candidates.back();
    Memory.Candidates.pop_back();
    const Merge &M = Merges[Best >> 32];
    Scratch::Symbol &Left = Symbols[uint32_t(Best)];
    // One of the two may have been joined to something else meanwhile.
    if (Left.Id != M.Left || Left.Next == NoSymbol || Symbols[Left.Next].Id != M.Right)
      continue;
    Scratch::Symbol &Right = Symbols[Left.Next];
    Left.Id = M.Result;
    Left.Next = Right.Next;
    Right.Id = -1;
    if (Left.Next != NoSymbol)
      Symbols[Left.Next].Previous = uint32_t(Best);
    pushCandidate(Left.Previous, Memory);
    pushCandidate(uint32_t(Best), Memory);
  }
  for (const Scratch::Symbol &Symbol : Symbols)
    if (Symbol.Id >= 0)
      Ids.push_back(Symbol.Id);
}

void BytePairMerges::encode(std::string_view Word, Scratch &Memory,
                            std::vector<int32_t> &Ids) const {
  for (; !Word.empty(); Word.remove_prefix(std::min(Word.size(), MaxPartSymbols))) {
    std::string_view Part = Word.substr(0, MaxPartSymbols);
    Memory.start(Part.size());
    for (char Byte : Part)
      Memory.add(ByteIds[uint8_t(Byte)]);
    join(Memory, Ids);
  }
}

void BytePairMerges::merge(std::span<const int32_t> First, Scratch &Memory,
                           std::vector<int32_t> &Ids) const {
  while (!First.empty()) {
    std::span<const int32_t> Part = First.first(std::min(First.size(), MaxPartSymbols));
    Memory.start(Part.size());
    for (int32_t Id : Part)
      Memory.add(Id);
    join(Memory, Ids);
    First = First.subspan(Part.size());
  }
}
