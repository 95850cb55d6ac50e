//===- LoadedObjects.h - The shared objects of this process -----*- C++ -*-===//
//
// Code that is needed once and then no more, such as a compiler's, keeps its pages
// in memory until somebody gives them back.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_LOADEDOBJECTS_H
#define LATHE_RUNTIME_SUPPORT_LOADEDOBJECTS_H

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// What the dynamic linker mapped of one file.
struct LoadedObject {
  std::string Path; ///< Empty for the program itself.
  uintptr_t Base = 0;
  /// Segments that nobody may write: code, and constants that need no relocation.
  std::vector<std::span<const uint8_t>> ReadOnly;

  bool operator==(const LoadedObject &Other) const {
    return Base == Other.Base && Path == Other.Path;
  }
};

/// All objects that are loaded now.  Their segments are valid until they are closed.
std::vector<LoadedObject> listLoadedObjects();

/// The read-only segments of objects in `Now` that are not in `Before`.
std::vector<std::span<const uint8_t>> newReadOnlySegments(const std::vector<LoadedObject> &Before,
                                                          const std::vector<LoadedObject> &Now);

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_LOADEDOBJECTS_H
