//===- SpecialTokens.cpp - Tokens found in a text by their name -----------===//

#include "runtime/tokenizer/SpecialTokens.h"

#include <algorithm>

using namespace lathe;

SpecialTokens::SpecialTokens(const Vocabulary &Tokens) {
  for (int32_t Id = 0; Id < Tokens.size(); ++Id)
    if (Tokens.isSpecial(Id) && !Tokens.piece(Id).empty())
      Entries.push_back({Tokens.piece(Id), Id, Tokens.isControl(Id)});
  std::sort(Entries.begin(), Entries.end(),
            [](const Entry &A, const Entry &B) { return A.Text < B.Text; });
  for (const Entry &E : Entries)
    ++FirstByte[uint8_t(E.Text[0]) + 1u];
  for (size_t Byte = 0; Byte < 256; ++Byte)
    FirstByte[Byte + 1] += FirstByte[Byte];
}

SpecialTokens::Match SpecialTokens::longestAt(std::string_view Text, size_t Position,
                                              bool Control) const {
  uint8_t First = uint8_t(Text[Position]);
  auto Begin = Entries.begin() + FirstByte[First];
  auto End = Entries.begin() + FirstByte[First + 1u];
  Match Best;
  // [Begin, End) are the names that share their first `Length` bytes with the
  // text.  They are sorted, so the one that has no more bytes stands first.
  for (size_t Length = 1; Begin != End; ++Length) {
    if (Begin->Text.size() == Length) {
      if (Control || !Begin->IsControl)
        Best = {Begin->Id, Position, Length};
      ++Begin;
    }
    if (Position + Length >= Text.size())
      break;
    uint8_t Next = uint8_t(Text[Position + Length]);
    auto ByteOf = [=](const Entry &E) { return uint8_t(E.Text[Length]); };
    Begin = std::partition_point(Begin, End, [&](const Entry &E) { return ByteOf(E) < Next; });
    End = std::partition_point(Begin, End, [&](const Entry &E) { return ByteOf(E) == Next; });
  }
  return Best;
}

SpecialTokens::Match SpecialTokens::find(std::string_view Text, size_t Start, bool Control) const {
  for (size_t Position = Start; Position < Text.size(); ++Position)
    if (Match Found = longestAt(Text, Position, Control); Found.Id >= 0)
      return Found;
  return {};
}
