//===- LoadedObjectsTest.cpp ------------------------------------------------===//

#include "runtime/support/LoadedObjects.h"
#include "runtime/support/MappedMemory.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <dlfcn.h>
#include <fstream>

using namespace lathe;

static bool holds(const std::vector<std::span<const uint8_t>> &Segments, const void *Address) {
  auto *Byte = static_cast<const uint8_t *>(Address);
  return std::any_of(Segments.begin(), Segments.end(), [&](auto Segment) {
    return Byte >= Segment.data() && Byte < Segment.data() + Segment.size();
  });
}

/// Pages of files that are in this process's memory now (proc(5), statm).
static int64_t residentFilePages() {
  std::ifstream Statm("/proc/self/statm");
  int64_t Size = 0, Resident = 0, Shared = 0;
  Statm >> Size >> Resident >> Shared;
  return Shared;
}

TEST(LoadedObjects, CodeOfAnOpenedLibraryAlone) {
  std::vector<LoadedObject> Before = listLoadedObjects();
  void *Library = dlopen(FAKE_PROGRAM_PATH, RTLD_LAZY | RTLD_LOCAL);
  ASSERT_NE(Library, nullptr) << dlerror();
  std::vector<std::span<const uint8_t>> Segments = newReadOnlySegments(Before, listLoadedObjects());
  void *Function = dlsym(Library, "lathe_entry_decode");
  ASSERT_NE(Function, nullptr);
  EXPECT_TRUE(holds(Segments, Function));
  EXPECT_FALSE(holds(Segments, reinterpret_cast<const void *>(&listLoadedObjects)));
  dlclose(Library);
}

TEST(LoadedObjects, NothingNewWithoutALibrary) {
  std::vector<LoadedObject> Now = listLoadedObjects();
  EXPECT_FALSE(Now.empty());
  EXPECT_TRUE(newReadOnlySegments(Now, listLoadedObjects()).empty());
}

// Code whose pages were given back runs as before: they come from the file again.
TEST(LoadedObjects, CodeComesBack) {
  int64_t Before = residentFilePages();
  for (const LoadedObject &Each : listLoadedObjects())
    for (std::span<const uint8_t> Segment : Each.ReadOnly)
      releaseFilePages(Segment.data(), Segment.size());
  EXPECT_LT(residentFilePages(), Before);
  EXPECT_FALSE(listLoadedObjects().empty());
}
