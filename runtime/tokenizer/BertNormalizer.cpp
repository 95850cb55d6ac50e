//===- BertNormalizer.cpp - Texts as BERT's tokenizer sees them -----------===//

#include "runtime/tokenizer/BertNormalizer.h"

#include "runtime/tokenizer/Unicode.h"

#include <cstdlib>
#include <memory>
#include <utf8proc.h>

using namespace lathe;

static constexpr uint32_t Replacement = 0xFFFD, DottedCapitalI = 0x130, DotAbove = 0x307;

static utf8proc_category_t categoryOf(uint32_t Value) {
  return utf8proc_category(utf8proc_int32_t(Value));
}

/// A control or format character, or one for private use; what is not assigned is kept.
static bool isControl(uint32_t Value) {
  if (Value == '\t' || Value == '\n' || Value == '\r')
    return false;
  switch (categoryOf(Value)) {
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_CO:
  case UTF8PROC_CATEGORY_CS:
    return true;
  default:
    return false;
  }
}

/// The blocks that google-research/bert lists, as huggingface/tokenizers has them.
static bool isIdeograph(uint32_t Value) {
  return (Value >= 0x4E00 && Value <= 0x9FFF) || (Value >= 0x3400 && Value <= 0x4DBF) ||
         (Value >= 0x20000 && Value <= 0x2A6DF) || (Value >= 0x2A700 && Value <= 0x2B73F) ||
         (Value >= 0x2B740 && Value <= 0x2B81F) || (Value >= 0x2B920 && Value <= 0x2CEAF) ||
         (Value >= 0xF900 && Value <= 0xFAFF) || (Value >= 0x2F800 && Value <= 0x2FA1F);
}

static bool isPunctuation(uint32_t Value) {
  bool IsASCII = (Value >= 33 && Value <= 47) || (Value >= 58 && Value <= 64) ||
                 (Value >= 91 && Value <= 96) || (Value >= 123 && Value <= 126);
  return IsASCII || classOf(Value) == CharClass::Punctuation;
}

/// Characters that are decomposed and put into canonical order, without accents.
static std::string stripAccents(const std::string &Text) {
  utf8proc_uint8_t *Decomposed =
      utf8proc_NFD(reinterpret_cast<const utf8proc_uint8_t *>(Text.c_str()));
  std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> Owner(Decomposed, &std::free);
  std::string Result;
  if (!Decomposed)
    return Text;
  for (std::string_view Rest(reinterpret_cast<const char *>(Decomposed)); !Rest.empty();) {
    UTF8Char Char = decodeUTF8(Rest);
    if (categoryOf(Char.Value) != UTF8PROC_CATEGORY_MN)
      Result += Rest.substr(0, Char.Length);
    Rest.remove_prefix(Char.Length);
  }
  return Result;
}

/// Appends the small letter of a character.
static void appendLower(uint32_t Value, std::string &Out) {
  // The one character whose small form is two.
  if (Value == DottedCapitalI) {
    Out += 'i';
    appendUTF8(DotAbove, Out);
    return;
  }
  appendUTF8(uint32_t(utf8proc_tolower(utf8proc_int32_t(Value))), Out);
}

/// Calls `Use` with every character of `Text`.
template <typename Callable> static void forEachChar(std::string_view Text, Callable Use) {
  while (!Text.empty()) {
    UTF8Char Char = decodeUTF8(Text);
    if (Char.State == UTF8State::Valid)
      Use(Char.Value);
    Text.remove_prefix(Char.Length);
  }
}

std::vector<std::string> BertNormalizer::words(std::string_view Text) const {
  std::string Clean;
  Clean.reserve(Text.size());
  forEachChar(Text, [&](uint32_t Value) {
    // A zero ends the texts of the library that decomposes.
    if (Value == 0 || (CleansText && (Value == Replacement || isControl(Value))))
      return;
    bool Alone = SplitsIdeographs && isIdeograph(Value);
    if (Alone)
      Clean += ' ';
    appendUTF8(Value, Clean);
    if (Alone)
      Clean += ' ';
  });
  if (StripsAccents)
    Clean = stripAccents(Clean);
  std::vector<std::string> Words;
  bool Open = false;
  forEachChar(Clean, [&](uint32_t Value) {
    bool IsSpace = classOf(Value) == CharClass::Space, Mark = isPunctuation(Value);
    if (IsSpace || Mark || !Open)
      Open = false;
    if (IsSpace)
      return;
    if (!Open)
      Words.emplace_back();
    Open = !Mark;
    if (Lowercases)
      appendLower(Value, Words.back());
    else
      appendUTF8(Value, Words.back());
  });
  return Words;
}
