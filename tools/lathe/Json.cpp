//===- Json.cpp - Writes JSON -----------------------------------------------===//

#include "tools/lathe/Json.h"

#include "runtime/tokenizer/Unicode.h"

#include <charconv>
#include <cmath>

using namespace lathe;
using namespace lathe::cli;

void JsonWriter::newLine() {
  Text += '\n';
  Text.append(2 * Depth, ' ');
}

/// Puts what separates the next item from what stands before it.
void JsonWriter::startItem() {
  if (!AfterKey && Depth != 0) {
    if (!First)
      Text += ',';
    newLine();
  }
  AfterKey = false;
  First = false;
}

JsonWriter &JsonWriter::open(char Bracket) {
  startItem();
  Text += Bracket;
  ++Depth;
  First = true;
  return *this;
}

JsonWriter &JsonWriter::close(char Bracket) {
  --Depth;
  if (!First)
    newLine();
  Text += Bracket;
  First = false;
  return *this;
}

JsonWriter &JsonWriter::key(std::string_view Name) {
  startItem();
  appendString(Name);
  Text += ": ";
  AfterKey = true;
  return *this;
}

JsonWriter &JsonWriter::literal(std::string_view Word) {
  startItem();
  Text += Word;
  return *this;
}

JsonWriter &JsonWriter::value(std::string_view Bytes) {
  startItem();
  appendString(Bytes);
  return *this;
}

template <typename T> JsonWriter &JsonWriter::floating(T Number) {
  if (!std::isfinite(Number))
    return null();
  char Buffer[32];
  std::to_chars_result End = std::to_chars(Buffer, Buffer + sizeof(Buffer), Number);
  return literal({Buffer, static_cast<size_t>(End.ptr - Buffer)});
}

template JsonWriter &JsonWriter::floating(float);
template JsonWriter &JsonWriter::floating(double);

void JsonWriter::appendString(std::string_view Bytes) {
  constexpr std::string_view Hex = "0123456789abcdef";
  Text += '"';
  while (!Bytes.empty()) {
    UTF8Char Next = decodeUTF8(Bytes);
    if (Next.State != UTF8State::Valid) {
      Text += "\xEF\xBF\xBD";
    } else if (Next.Value < 0x20 || Next.Value == 0x7f) {
      Text += "\\u00";
      Text += Hex[Next.Value >> 4];
      Text += Hex[Next.Value & 15];
    } else {
      if (Next.Value == '"' || Next.Value == '\\')
        Text += '\\';
      Text += Bytes.substr(0, Next.Length);
    }
    Bytes.remove_prefix(Next.Length);
  }
  Text += '"';
}
