//===- NumberRanges.h - Lists such as "0-20,25" -----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_NUMBERRANGES_H
#define LATHE_RUNTIME_SUPPORT_NUMBERRANGES_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// For each number below `Limit` whether `Text` lists it: numbers and ranges, both ends
/// included, with commas between.  Nullopt for anything else, and for numbers that are
/// too large.
std::optional<std::vector<bool>> parseNumberRanges(std::string_view Text, int64_t Limit);

/// The same backwards: "0-20,25", and nothing for none.
std::string numberRangesText(const std::vector<bool> &Listed);

/// The ranges in `Text` as layers of a model of `Layers`; `What` names the option.
/// Nullopt with E0840.
std::optional<std::vector<bool>> parseLayerList(std::string_view Text, const std::string &What,
                                                int64_t Layers, Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_NUMBERRANGES_H
