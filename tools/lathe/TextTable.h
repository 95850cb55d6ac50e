//===- TextTable.h - Aligned columns ----------------------------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_TEXTTABLE_H
#define LATHE_TOOLS_LATHE_TEXTTABLE_H

#include <string>
#include <vector>

namespace lathe::cli {

/// Lines of cells; the first column is aligned to the left, the others to the right
/// unless they are named.  Cells are escaped, so that nothing in them steers the terminal.
class TextTable {
public:
  /// The first line; `LeftColumns` are aligned to the left besides the first.
  explicit TextTable(std::vector<std::string> Header, std::vector<size_t> LeftColumns = {})
      : Lines{std::move(Header)}, LeftColumns(std::move(LeftColumns)) {}

  void add(std::vector<std::string> Cells) { Lines.push_back(std::move(Cells)); }
  /// All lines, each ending in a newline and beginning with `Indent` blanks.
  std::string text(size_t Indent = 0) const;

private:
  std::vector<std::vector<std::string>> Lines;
  std::vector<size_t> LeftColumns;
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_TEXTTABLE_H
