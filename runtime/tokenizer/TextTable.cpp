//===- TextTable.cpp - From a token's text to its id ----------------------===//

#include "runtime/tokenizer/TextTable.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>
#include <xxhash.h>

using namespace lathe;

TextTable::TextTable(std::vector<std::string_view> List, std::vector<Duplicate> *Duplicates)
    : Texts(std::move(List)), Slots(std::bit_ceil(Texts.size() * 2 + 1)) {
  // A seed that differs between runs: a file made to collide under a known one
  // would make every look-up walk the whole table.
  Seed = uint64_t(std::chrono::steady_clock::now().time_since_epoch().count());
  for (size_t I = 0; I < Texts.size(); ++I) {
    if (Texts[I].empty())
      continue;
    uint32_t Tag;
    Slot &Place = Slots[slotOf(Texts[I], Tag)];
    if (Place.Index < 0)
      Place = {int32_t(I), Tag};
    else if (Duplicates)
      Duplicates->push_back({Place.Index, int32_t(I)});
  }
}

void TextTable::adopt() {
  size_t Bytes = 0;
  for (std::string_view Text : Texts)
    Bytes += Text.size();
  auto Copy = std::make_unique<char[]>(Bytes);
  char *Place = Copy.get();
  for (std::string_view &Text : Texts) {
    char *Begin = Place;
    Place = std::copy(Text.begin(), Text.end(), Place);
    Text = std::string_view(Begin, Text.size());
  }
  Adopted = std::move(Copy);
}

size_t TextTable::slotOf(std::string_view Text, uint32_t &Tag) const {
  uint64_t Hash = XXH3_64bits_withSeed(Text.data(), Text.size(), Seed);
  Tag = uint32_t(Hash >> 32);
  size_t Mask = Slots.size() - 1;
  size_t Place = Hash & Mask;
  while (Slots[Place].Index >= 0 &&
         (Slots[Place].Tag != Tag || Texts[size_t(Slots[Place].Index)] != Text))
    Place = (Place + 1) & Mask;
  return Place;
}

int32_t TextTable::find(std::string_view Text) const {
  uint32_t Tag;
  return Slots.empty() ? -1 : Slots[slotOf(Text, Tag)].Index;
}
