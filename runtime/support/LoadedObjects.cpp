//===- LoadedObjects.cpp - The shared objects of this process --------------===//

#include "runtime/support/LoadedObjects.h"

#include <algorithm>
#include <link.h>

namespace lathe {

static int addObject(dl_phdr_info *Info, size_t, void *Objects) {
  LoadedObject Object;
  Object.Path = Info->dlpi_name ? Info->dlpi_name : "";
  Object.Base = Info->dlpi_addr;
  for (const auto &Segment : std::span(Info->dlpi_phdr, Info->dlpi_phnum))
    if (Segment.p_type == PT_LOAD && !(Segment.p_flags & PF_W))
      Object.ReadOnly.emplace_back(
          reinterpret_cast<const uint8_t *>(Info->dlpi_addr + Segment.p_vaddr), Segment.p_filesz);
  static_cast<std::vector<LoadedObject> *>(Objects)->push_back(std::move(Object));
  return 0;
}

std::vector<LoadedObject> listLoadedObjects() {
  std::vector<LoadedObject> Objects;
  dl_iterate_phdr(addObject, &Objects);
  return Objects;
}

std::vector<std::span<const uint8_t>> newReadOnlySegments(const std::vector<LoadedObject> &Before,
                                                          const std::vector<LoadedObject> &Now) {
  std::vector<std::span<const uint8_t>> Segments;
  for (const LoadedObject &Each : Now)
    if (std::find(Before.begin(), Before.end(), Each) == Before.end())
      Segments.insert(Segments.end(), Each.ReadOnly.begin(), Each.ReadOnly.end());
  return Segments;
}

} // namespace lathe
