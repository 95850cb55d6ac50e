//===- Unicode.h - Characters of a text and their classes -------*- C++ -*-===//
//
// What the tokenizers need of Unicode: strict UTF-8 decoding, the general
// category of a character (utf8proc) and the byte-to-character table of
// byte-level BPE (openai/gpt-2, encoder.py).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_UNICODE_H
#define LATHE_RUNTIME_TOKENIZER_UNICODE_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

enum class UTF8State : uint8_t {
  Valid,
  Invalid,   ///< No continuation makes these bytes a character.
  Truncated, ///< The text ends inside a character.
};

struct UTF8Char {
  uint32_t Value; ///< Meaningful when Valid.
  uint8_t Length; ///< Bytes of the character, or of the longest ill-formed part; at least 1.
  UTF8State State;
};

/// Decodes the first character of `Text`, which is not empty (Unicode 15,
/// table 3-7: no overlong forms, no surrogates).
UTF8Char decodeUTF8(std::string_view Text);

bool isValidUTF8(std::string_view Text);

/// Appends `Value` as UTF-8; `Value` is a Unicode scalar value.
void appendUTF8(uint32_t Value, std::string &Out);

enum class CharClass : uint8_t {
  Other,       ///< Control, format, unassigned, and bytes that are not UTF-8.
  Upper,       ///< Lu and Lt.
  Lower,       ///< Ll.
  OtherLetter, ///< Lm and Lo.
  Mark,
  Number,
  Punctuation,
  Symbol,
  Space, ///< The White_Space property, whatever the general category.
};

/// The class of a Unicode scalar value.
CharClass classOf(uint32_t Value);

/// A set of classes.
using CharSet = uint16_t;
constexpr CharSet charSet(CharClass Class) { return CharSet(1u << unsigned(Class)); }

inline constexpr CharSet SetLetter =
    charSet(CharClass::Upper) | charSet(CharClass::Lower) | charSet(CharClass::OtherLetter);
inline constexpr CharSet SetMark = charSet(CharClass::Mark);
inline constexpr CharSet SetNumber = charSet(CharClass::Number);
inline constexpr CharSet SetPunctuation = charSet(CharClass::Punctuation);
inline constexpr CharSet SetSymbol = charSet(CharClass::Symbol);
inline constexpr CharSet SetSpace = charSet(CharClass::Space);
inline constexpr CharSet SetAll = (1u << 9) - 1;

/// One character of a text with its class, in four bytes.  A byte that is not
/// part of valid UTF-8 is a character of its own, above all scalar values, so
/// that any text can be cut into pieces and put together again.
class TextChar {
public:
  TextChar(uint32_t Value, CharClass Class) : Bits(Value | uint32_t(Class) << 24) {}

  uint32_t value() const { return Bits & 0xFFFFFF; }
  CharClass charClass() const { return CharClass(Bits >> 24); }
  bool in(CharSet Set) const { return (Set >> (Bits >> 24)) & 1; }
  bool is(char32_t C) const { return value() == C; }
  bool isNewline() const { return is('\r') || is('\n'); }

  /// Bytes that the character takes in the text.
  size_t byteLength() const {
    uint32_t V = value();
    if (V < 0x80 || V >= FirstRawByte)
      return 1;
    return V < 0x800 ? 2 : V < 0x10000 ? 3 : 4;
  }

  static constexpr uint32_t FirstRawByte = 0x110000;

private:
  uint32_t Bits;
};

using TextSpan = std::span<const TextChar>;

std::vector<TextChar> classifyText(std::string_view Text);

/// The character that stands for `Byte` in the token texts of byte-level BPE.
uint32_t byteLevelChar(uint8_t Byte);

/// The byte that a character of a token text stands for, or -1.
int byteLevelByte(uint32_t Value);

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_UNICODE_H
