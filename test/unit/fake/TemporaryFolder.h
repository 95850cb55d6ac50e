//===- TemporaryFolder.h - A folder for one test ----------------*- C++ -*-===//

#ifndef LATHE_TEST_UNIT_FAKE_TEMPORARYFOLDER_H
#define LATHE_TEST_UNIT_FAKE_TEMPORARYFOLDER_H

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace lathe::test {

/// Made with permissions 0700, removed with all it holds at the end.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string Pattern = testing::TempDir() + "lathe-XXXXXX";
    if (mkdtemp(Pattern.data()))
      Folder = Pattern;
    EXPECT_FALSE(Folder.empty()) << Pattern;
  }
  ~TemporaryFolder() {
    std::error_code Ignored;
    if (!Folder.empty())
      std::filesystem::remove_all(Folder, Ignored);
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  const std::string &path() const { return Folder; }
  std::string path(const std::string &Name) const { return Folder + "/" + Name; }

private:
  std::string Folder;
};

inline std::string readFile(const std::string &Path) {
  std::ifstream File(Path, std::ios::binary);
  return {std::istreambuf_iterator<char>(File), {}};
}

inline void writeFile(const std::string &Path, const std::string &Content) {
  std::ofstream(Path, std::ios::binary) << Content;
}

} // namespace lathe::test

#endif // LATHE_TEST_UNIT_FAKE_TEMPORARYFOLDER_H
