//===- NumberRanges.cpp - Lists such as "0-20,25" ---------------*- C++ -*-===//

#include "runtime/support/NumberRanges.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <charconv>

namespace lathe {

/// The number that `Text` begins with, which is taken off.
static std::optional<int64_t> takeNumber(std::string_view &Text) {
  int64_t Number = 0;
  std::from_chars_result Read = std::from_chars(Text.data(), Text.data() + Text.size(), Number);
  if (Read.ec != std::errc() || Number < 0)
    return std::nullopt;
  Text.remove_prefix(static_cast<size_t>(Read.ptr - Text.data()));
  return Number;
}

std::optional<std::vector<bool>> parseNumberRanges(std::string_view Text, int64_t Limit) {
  std::vector<bool> Listed(static_cast<size_t>(Limit));
  while (true) {
    std::optional<int64_t> First = takeNumber(Text), Last = First;
    if (First && Text.starts_with('-')) {
      Text.remove_prefix(1);
      Last = takeNumber(Text);
    }
    if (!First || !Last || *First > *Last || *Last >= Limit)
      return std::nullopt;
    std::fill(Listed.begin() + *First, Listed.begin() + *Last + 1, true);
    if (Text.empty())
      return Listed;
    if (!Text.starts_with(','))
      return std::nullopt;
    Text.remove_prefix(1);
  }
}

std::string numberRangesText(const std::vector<bool> &Listed) {
  std::string Text;
  for (size_t First = 0; First < Listed.size(); ++First) {
    if (!Listed[First])
      continue;
    size_t Last = First;
    while (Last + 1 < Listed.size() && Listed[Last + 1])
      ++Last;
    Text += (Text.empty() ? "" : ",") + std::to_string(First);
    if (Last != First)
      Text += "-" + std::to_string(Last);
    First = Last;
  }
  return Text;
}

std::optional<std::vector<bool>> parseLayerList(std::string_view Text, const std::string &What,
                                                int64_t Layers, Diagnostics &Diags) {
  std::optional<std::vector<bool>> Listed = parseNumberRanges(Text, Layers);
  if (!Listed)
    Diags.error(840, What,
                "found " + quoted(Text, 40) + ", expected layers and ranges of layers from 0 to " +
                    std::to_string(Layers - 1),
                "\"0-20,25\" is layers 0 to 20 and layer 25");
  return Listed;
}

} // namespace lathe
