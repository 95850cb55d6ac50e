//===- SortedNames.h - Look-up by names from untrusted input ----*- C++ -*-===//
//
// Sorted positions instead of a hash table: names chosen to collide cannot make
// it slow.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_SORTEDNAMES_H
#define LATHE_RUNTIME_FORMATS_SORTEDNAMES_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe {

/// The positions 0..Count-1, sorted by `NameOf(position)`.
template <typename Namer> std::vector<uint32_t> sortNames(size_t Count, Namer NameOf) {
  std::vector<uint32_t> Sorted(Count);
  std::iota(Sorted.begin(), Sorted.end(), 0u);
  std::sort(Sorted.begin(), Sorted.end(), [&](uint32_t Left, uint32_t Right) {
    return std::pair(NameOf(Left), Left) < std::pair(NameOf(Right), Right);
  });
  return Sorted;
}

/// Calls `Report(name, times)` for every name that stands more than once.
template <typename Namer, typename Reporter>
void forEachDuplicate(const std::vector<uint32_t> &Sorted, Namer NameOf, Reporter Report) {
  for (size_t Begin = 0; Begin < Sorted.size();) {
    size_t End = Begin + 1;
    while (End < Sorted.size() && NameOf(Sorted[End]) == NameOf(Sorted[Begin]))
      ++End;
    if (End - Begin > 1)
      Report(NameOf(Sorted[Begin]), End - Begin);
    Begin = End;
  }
}

/// The position of `Name`.
template <typename Namer>
std::optional<uint32_t> findName(const std::vector<uint32_t> &Sorted, Namer NameOf,
                                 std::string_view Name) {
  auto Found =
      std::lower_bound(Sorted.begin(), Sorted.end(), Name,
                       [&](uint32_t I, std::string_view Wanted) { return NameOf(I) < Wanted; });
  if (Found == Sorted.end() || NameOf(*Found) != Name)
    return std::nullopt;
  return *Found;
}

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_SORTEDNAMES_H
