//===- ByteFallback.cpp - Tokens for what no other token covers -----------===//

#include "runtime/tokenizer/ByteFallback.h"

#include "runtime/support/Text.h"

#include <charconv>

using namespace lathe;

/// The byte that the text <0xNN> of a token stands for, or -1.
static int byteOf(std::string_view Text) {
  if (Text.size() != 6 || !Text.starts_with("<0x") || Text.back() != '>')
    return -1;
  unsigned Byte = 0;
  auto [End, Error] = std::from_chars(Text.data() + 3, Text.data() + 5, Byte, 16);
  return Error == std::errc() && End == Text.data() + 5 ? int(Byte) : -1;
}

/// Ids of the byte tokens, -1 where there is none; of two for a byte the first.
static std::array<int32_t, 256> readByteIds(const Vocabulary &Tokens, const TextTable &Names,
                                            FaultList *Faults) {
  std::array<int32_t, 256> Ids;
  Ids.fill(-1);
  for (int32_t Id = 0; Id < Tokens.size(); ++Id) {
    if (Tokens.type(Id) != TokenType::Byte)
      continue;
    std::string_view Text = Names.texts()[size_t(Id)];
    int Byte = byteOf(Text);
    int32_t Other = Byte < 0 ? -1 : Ids[size_t(Byte)];
    if (Byte >= 0 && Other < 0)
      Ids[size_t(Byte)] = Id;
    else if (Faults)
      Faults->error(714, "token " + std::to_string(Id) + " " + quoted(Text),
                    Byte < 0 ? "is of type byte, expected a text from <0x00> to <0xFF>"
                             : "stands for the same byte as token " + std::to_string(Other));
  }
  return Ids;
}

static std::string nameOfByte(size_t Byte) {
  constexpr std::string_view Digits = "0123456789ABCDEF";
  return {'<', '0', 'x', Digits[Byte >> 4], Digits[Byte & 15], '>'};
}

void ByteFallback::check(const Vocabulary &Tokens, const TextTable &Names, FaultList &Faults) {
  size_t Missing = 0, First = 0;
  std::array<int32_t, 256> Ids = readByteIds(Tokens, Names, &Faults);
  for (size_t Byte = Ids.size(); Byte-- > 0;)
    if (Ids[Byte] < 0) {
      ++Missing;
      First = Byte;
    }
  if (Missing == Ids.size() && Tokens.unknown() < 0)
    Faults.error(714, "key 'tokenizer.ggml.tokens'",
                 "has neither byte tokens nor an unknown token, expected one of them");
  else if (Missing > 0 && Missing < Ids.size())
    Faults.error(714, "key 'tokenizer.ggml.tokens'",
                 "lacks " + std::to_string(Missing) + " byte tokens, the first " +
                     quoted(nameOfByte(First)) + ", expected all 256 or none");
}

ByteFallback::ByteFallback(const Vocabulary &Tokens, const TextTable &Names)
    : ByteIds(readByteIds(Tokens, Names, nullptr)), Unknown(Tokens.unknown()) {}

void ByteFallback::append(std::string_view Bytes, std::vector<int32_t> &Ids) const {
  if (ByteIds[0] < 0)
    Ids.push_back(Unknown);
  else
    for (char Byte : Bytes)
      Ids.push_back(ByteIds[uint8_t(Byte)]);
}

void ByteFallback::decodePiece(std::string_view Text, TokenType Type, std::string &Out) {
  if (Type == TokenType::Byte) {
    Out += char(byteOf(Text));
    return;
  }
  for (size_t Mark; (Mark = Text.find(SpaceMark)) != std::string_view::npos;) {
    Out += Text.substr(0, Mark);
    Out += ' ';
    Text.remove_prefix(Mark + SpaceMark.size());
  }
  Out += Text;
}
