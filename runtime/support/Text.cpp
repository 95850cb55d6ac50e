//===- Text.cpp - Untrusted text in messages ------------------------------===//

#include "runtime/support/Text.h"

#include <cstdio>
#include <iterator>
#include <system_error>

namespace lathe {
namespace {

constexpr std::string_view HexDigits = "0123456789abcdef";

void appendHex(std::string &Text, unsigned char Byte) {
  Text += "\\x";
  Text += HexDigits[Byte >> 4];
  Text += HexDigits[Byte & 15];
}

/// C0 controls and DEL are one byte; C1 controls are two in UTF-8, and some
/// terminals obey them as they obey ESC.
size_t controlLength(std::string_view Rest) {
  auto First = static_cast<unsigned char>(Rest[0]);
  if (First < 0x20 || First == 0x7f)
    return 1;
  if (First == 0xc2 && Rest.size() > 1 && (static_cast<unsigned char>(Rest[1]) & 0xe0) == 0x80)
    return 2;
  return 0;
}

std::string escapeExcept(std::string_view Text, std::string_view Kept) {
  std::string Result;
  Result.reserve(Text.size());
  while (!Text.empty()) {
    size_t Length = Kept.find(Text[0]) == std::string_view::npos ? controlLength(Text) : 0;
    for (size_t I = 0; I < Length; ++I)
      appendHex(Result, static_cast<unsigned char>(Text[I]));
    if (Length == 0)
      Result += Text[0];
    Text.remove_prefix(Length ? Length : 1);
  }
  return Result;
}

} // namespace

std::string escapeControls(std::string_view Text) { return escapeExcept(Text, "\n\t"); }

std::string quoted(std::string_view Text, size_t MaxBytes) {
  bool Shortened = Text.size() > MaxBytes;
  size_t Length = Shortened ? MaxBytes : Text.size();
  // Cut between characters of UTF-8, not inside one.
  while (Shortened && Length > 0 && (static_cast<unsigned char>(Text[Length]) & 0xc0) == 0x80)
    --Length;
  return "'" + escapeExcept(Text.substr(0, Length), "") + (Shortened ? "...'" : "'");
}

std::string formatFixed(double Value, int Digits) {
  char Buffer[64];
  int Length = snprintf(Buffer, sizeof(Buffer), "%.*f", Digits, Value);
  return std::string(Buffer, static_cast<size_t>(Length));
}

std::string hexText(std::span<const unsigned char> Bytes) {
  std::string Text;
  for (unsigned char Byte : Bytes) {
    Text += HexDigits[Byte >> 4];
    Text += HexDigits[Byte & 15];
  }
  return Text;
}

std::string formatBytes(uint64_t Bytes) {
  constexpr const char *Units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (Bytes < 1024)
    return std::to_string(Bytes) + " bytes";
  double Value = static_cast<double>(Bytes) / 1024;
  size_t Unit = 0;
  for (; Value >= 1024 && Unit + 1 < std::size(Units); ++Unit)
    Value /= 1024;
  return formatFixed(Value, 1) + " " + Units[Unit];
}

std::string describeErrno(int Errno) {
  std::string Text = std::generic_category().message(Errno);
  // "Input/output error", but not an abbreviation like "RPC".
  if (Text.size() > 1 && Text[1] >= 'a' && Text[1] <= 'z' && Text[0] >= 'A' && Text[0] <= 'Z')
    Text[0] = static_cast<char>(Text[0] - 'A' + 'a');
  return Text;
}

} // namespace lathe
