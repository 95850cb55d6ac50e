//===- Unicode.cpp - Characters of a text and their classes ---------------===//

#include "runtime/tokenizer/Unicode.h"

#include <array>
#include <utf8proc.h>

using namespace lathe;

UTF8Char lathe::decodeUTF8(std::string_view Text) {
  uint8_t Lead = uint8_t(Text[0]);
  if (Lead < 0x80)
    return {Lead, 1, UTF8State::Valid};
  if (Lead < 0xC2 || Lead > 0xF4)
    return {0, 1, UTF8State::Invalid};

  // The first continuation byte is what rules out overlong forms, surrogates
  // and values above 0x10FFFF.
  uint8_t Low = Lead == 0xE0 ? 0xA0 : Lead == 0xF0 ? 0x90 : 0x80;
  uint8_t High = Lead == 0xED ? 0x9F : Lead == 0xF4 ? 0x8F : 0xBF;
  uint8_t Length = Lead < 0xE0 ? 2 : Lead < 0xF0 ? 3 : 4;
  uint32_t Value = Lead & (0x7Fu >> Length);
  for (uint8_t I = 1; I < Length; ++I) {
    if (I >= Text.size())
      return {0, I, UTF8State::Truncated};
    uint8_t Byte = uint8_t(Text[I]);
    if (Byte < Low || Byte > High)
      return {0, I, UTF8State::Invalid};
    Low = 0x80;
    High = 0xBF;
    Value = Value << 6 | (Byte & 0x3Fu);
  }
  return {Value, Length, UTF8State::Valid};
}

bool lathe::isValidUTF8(std::string_view Text) {
  while (!Text.empty()) {
    UTF8Char Char = decodeUTF8(Text);
    if (Char.State != UTF8State::Valid)
      return false;
    Text.remove_prefix(Char.Length);
  }
  return true;
}

void lathe::appendUTF8(uint32_t Value, std::string &Out) {
  if (Value < 0x80) {
    Out += char(Value);
    return;
  }
  if (Value < 0x800) {
    Out += char(0xC0 | Value >> 6);
  } else {
    if (Value < 0x10000) {
      Out += char(0xE0 | Value >> 12);
    } else {
      Out += char(0xF0 | Value >> 18);
      Out += char(0x80 | (Value >> 12 & 0x3F));
    }
    Out += char(0x80 | (Value >> 6 & 0x3F));
  }
  Out += char(0x80 | (Value & 0x3F));
}

static bool isWhiteSpace(uint32_t Value) {
  return (Value >= 0x09 && Value <= 0x0D) || Value == 0x20 || Value == 0x85 || Value == 0xA0 ||
         Value == 0x1680 || (Value >= 0x2000 && Value <= 0x200A) || Value == 0x2028 ||
         Value == 0x2029 || Value == 0x202F || Value == 0x205F || Value == 0x3000;
}

CharClass lathe::classOf(uint32_t Value) {
  if (isWhiteSpace(Value))
    return CharClass::Space;
  switch (utf8proc_category(utf8proc_int32_t(Value))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LT:
    return CharClass::Upper;
  case UTF8PROC_CATEGORY_LL:
    return CharClass::Lower;
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
    return CharClass::OtherLetter;
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
    return CharClass::Mark;
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return CharClass::Number;
  case UTF8PROC_CATEGORY_PC:
  case UTF8PROC_CATEGORY_PD:
  case UTF8PROC_CATEGORY_PS:
  case UTF8PROC_CATEGORY_PE:
  case UTF8PROC_CATEGORY_PI:
  case UTF8PROC_CATEGORY_PF:
  case UTF8PROC_CATEGORY_PO:
    return CharClass::Punctuation;
  case UTF8PROC_CATEGORY_SM:
  case UTF8PROC_CATEGORY_SC:
  case UTF8PROC_CATEGORY_SK:
  case UTF8PROC_CATEGORY_SO:
    return CharClass::Symbol;
  default:
    return CharClass::Other;
  }
}

std::vector<TextChar> lathe::classifyText(std::string_view Text) {
  std::vector<TextChar> Chars;
  Chars.reserve(Text.size());
  while (!Text.empty()) {
    UTF8Char Char = decodeUTF8(Text);
    if (Char.State == UTF8State::Valid) {
      Chars.emplace_back(Char.Value, classOf(Char.Value));
      Text.remove_prefix(Char.Length);
      continue;
    }
    Chars.emplace_back(TextChar::FirstRawByte + uint8_t(Text[0]), CharClass::Other);
    Text.remove_prefix(1);
  }
  return Chars;
}

namespace {
/// Printable Latin-1 bytes stand for themselves, the others, in order, for the
/// characters from U+0100 on.
struct ByteLevelTable {
  static constexpr uint32_t NumChars = 256 + 68;
  std::array<uint16_t, 256> Char{};
  std::array<int16_t, NumChars> Byte{};

  constexpr ByteLevelTable() {
    Byte.fill(-1);
    uint16_t Next = 256;
    for (unsigned B = 0; B < 256; ++B) {
      bool Printable = (B >= 33 && B <= 126) || (B >= 161 && B <= 172) || B >= 174;
      Char[B] = Printable ? uint16_t(B) : Next++;
      Byte[Char[B]] = int16_t(B);
    }
  }
};
} // namespace

static constexpr ByteLevelTable ByteLevel;

uint32_t lathe::byteLevelChar(uint8_t Byte) { return ByteLevel.Char[Byte]; }

int lathe::byteLevelByte(uint32_t Value) {
  return Value < ByteLevelTable::NumChars ? ByteLevel.Byte[Value] : -1;
}
