//===- NgramIndex.cpp - Where a text said the same before -------*- C++ -*-===//

#include "runtime/adaptive/NgramIndex.h"

#include <algorithm>
#include <bit>

namespace lathe {

NgramIndex::Table::Table(int64_t Width, int64_t Positions)
    : Width(Width), Slots(std::bit_ceil(2 * static_cast<size_t>(Positions)), 0) {}

static uint64_t hashTokens(std::span<const int32_t> Gram) {
  uint64_t Hash = 0;
  for (int32_t Token : Gram) {
    Hash = (Hash ^ static_cast<uint32_t>(Token)) * 0x9E3779B97F4A7C15u;
    Hash ^= Hash >> 32;
  }
  return Hash;
}

size_t NgramIndex::Table::locate(std::span<const int32_t> Tokens, int64_t Next) const {
  std::span<const int32_t> Gram = Tokens.subspan(Next - Width, Width);
  size_t Mask = Slots.size() - 1;
  for (size_t Slot = hashTokens(Gram) & Mask;; Slot = (Slot + 1) & Mask)
    if (!Slots[Slot] || std::ranges::equal(Gram, Tokens.subspan(Slots[Slot] - Width, Width)))
      return Slot;
}

int32_t &NgramIndex::Table::slot(std::span<const int32_t> Tokens, int64_t Next) {
  return Slots[locate(Tokens, Next)];
}

int32_t NgramIndex::Table::find(std::span<const int32_t> Tokens, int64_t Next) const {
  return Slots[locate(Tokens, Next)];
}

void NgramIndex::Table::grow(std::span<const int32_t> Tokens, int64_t Positions) {
  std::vector<int32_t> Old = std::move(Slots);
  Slots.assign(std::bit_ceil(2 * static_cast<size_t>(Positions)), 0);
  for (int32_t Next : Old)
    if (Next)
      slot(Tokens, Next) = Next;
}

NgramIndex::NgramIndex(int64_t Positions)
    : Room(std::max<int64_t>(Positions, 8)), Twos(2, Room), Threes(3, Room) {
  Tokens.reserve(Room);
  Earlier.reserve(Room);
}

void NgramIndex::push(int32_t Token) {
  int64_t Next = static_cast<int64_t>(Tokens.size());
  if (Next == Room) {
    Room *= 2;
    Twos.grow(Tokens, Room);
    Threes.grow(Tokens, Room);
  }
  Tokens.push_back(Token);
  Earlier.push_back(0);
  // What ends ahead of this token now has something that follows it.
  if (Next >= 2)
    Twos.slot(Tokens, Next) = static_cast<int32_t>(Next);
  if (Next >= 3) {
    int32_t &Latest = Threes.slot(Tokens, Next);
    Earlier[Next] = Latest;
    Latest = static_cast<int32_t>(Next);
  }
}

/// How many tokens ahead of `Next` are those at the end.
int64_t NgramIndex::agreement(int64_t Next) const {
  int64_t Size = static_cast<int64_t>(Tokens.size()), Most = std::min(Next, MaxLength), Length = 0;
  while (Length < Most && Tokens[Next - 1 - Length] == Tokens[Size - 1 - Length])
    ++Length;
  return Length;
}

NgramIndex::Match NgramIndex::find() const {
  int64_t Size = static_cast<int64_t>(Tokens.size());
  Match Best;
  int32_t Next = Size >= 3 ? Threes.find(Tokens, Size) : 0;
  for (int64_t Seen = 0; Next && Seen < MaxCandidates && Best.Length < MaxLength; ++Seen) {
    if (int64_t Length = agreement(Next); Length > Best.Length)
      Best = {Next, Length};
    Next = Earlier[Next];
  }
  if (Best.Length || Size < 2)
    return Best;
  Next = Twos.find(Tokens, Size);
  return Next ? Match{Next, 2} : Match{};
}

void NgramIndex::copy(const Match &From, std::span<int32_t> Into) const {
  int64_t Size = static_cast<int64_t>(Tokens.size());
  for (int64_t I = 0, E = static_cast<int64_t>(Into.size()); I < E; ++I) {
    int64_t Source = From.Next + I;
    Into[I] = Source < Size ? Tokens[Source] : Into[Source - Size];
  }
}

} // namespace lathe
