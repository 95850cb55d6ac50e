//===- LabelledTexts.h - Texts of which one knows the label -----*- C++ -*-===//
//
// A text on each line, with its label and a tab ahead of it.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_LABELLEDTEXTS_H
#define LATHE_RUNTIME_CLASSIFY_LABELLEDTEXTS_H

#include "runtime/support/Diagnostics.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe {

struct LabelledTexts {
  static constexpr size_t MostLabels = 1024;

  std::vector<std::string> Labels; ///< Sorted, each once.
  std::vector<std::string> Texts;
  std::vector<size_t> Label; ///< Of each text, an index into Labels.

  size_t size() const { return Texts.size(); }

  /// Reads `Content`, which came from the file `Where`; its labels are those that stand
  /// there, 2 to MostLabels of them, or must be among `Known`.  Nullopt with E0838 for
  /// lines of another form, and E0839 for labels.
  static std::optional<LabelledTexts> parse(std::string_view Content, const std::string &Where,
                                            const std::vector<std::string> *Known,
                                            Diagnostics &Diags);

  /// Takes about `Share` of the texts away, the same ones wherever these texts are split,
  /// and gives them.
  LabelledTexts split(double Share);
};

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_LABELLEDTEXTS_H
