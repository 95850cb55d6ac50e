//===- TextTable.cpp - Aligned columns --------------------------------------===//

#include "tools/lathe/TextTable.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

/// Letters, not bytes: continuation bytes of UTF-8 take no room.
static size_t width(const std::string &Text) {
  return static_cast<size_t>(std::count_if(Text.begin(), Text.end(), [](char C) {
    return (static_cast<unsigned char>(C) & 0xC0) != 0x80;
  }));
}

std::string TextTable::text(size_t Indent) const {
  std::vector<std::vector<std::string>> Escaped = Lines;
  std::vector<size_t> Widths(Lines.front().size());
  for (std::vector<std::string> &Line : Escaped)
    for (size_t I = 0; I < Line.size(); ++I) {
      Line[I] = escapeControls(Line[I]);
      Widths[I] = std::max(Widths[I], width(Line[I]));
    }
  std::string Out;
  for (const std::vector<std::string> &Line : Escaped) {
    std::string Row(Indent, ' ');
    for (size_t I = 0; I < Line.size(); ++I) {
      bool Left =
          I == 0 || std::find(LeftColumns.begin(), LeftColumns.end(), I) != LeftColumns.end();
      std::string Blanks(Widths[I] - width(Line[I]), ' ');
      Row += (I == 0 ? "" : "  ") + (Left ? Line[I] + Blanks : Blanks + Line[I]);
    }
    Out += Row.erase(Row.find_last_not_of(' ') + 1) + "\n";
  }
  return Out;
}
