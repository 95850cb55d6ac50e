//===- ProgramCacheTest.cpp - Compiled programs of this user --------------===//

#include "runtime/session/ProgramCache.h"

#include "fake/TemporaryFolder.h"

#include <atomic>
#include <set>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

const std::string Key = "0123456789abcdef0123456789abcdef";

/// What a compiler does: writes the program to `Path`.
bool writeProgram(const std::string &Path) {
  writeFile(Path, readFile(FAKE_PROGRAM_PATH));
  return true;
}

class ProgramCacheTest : public testing::Test {
protected:
  void SetUp() override { open(); }
  void open(int64_t MaxBytes = ProgramCache::DefaultMaxBytes) {
    Cache = ProgramCache::open(Folder.path("cache"), Diags, MaxBytes);
    ASSERT_TRUE(Cache) << Diags.str();
  }
  void store() { ASSERT_TRUE(Cache->store(Key, writeProgram, Diags)) << Diags.str(); }

  /// The entry is found no more, with one warning that says `Reason`.
  void expectDiscarded(const std::string &Reason) {
    EXPECT_FALSE(Cache->find(Key, Diags));
    EXPECT_FALSE(Diags.hasErrors());
    ASSERT_EQ(Diags.all().size(), 1u) << Diags.str();
    EXPECT_EQ(Diags.all()[0].Number, 621u);
    EXPECT_NE(Diags.all()[0].Message.find(Reason), std::string::npos) << Diags.str();
    EXPECT_NE(access(Cache->libraryPath(Key).c_str(), F_OK), 0);
    Diags = {};
    store();
    EXPECT_TRUE(Cache->find(Key, Diags)) << Diags.str();
  }

  TemporaryFolder Folder;
  std::optional<ProgramCache> Cache;
  Diagnostics Diags;
};

TEST_F(ProgramCacheTest, FindsWhatWasStored) {
  EXPECT_FALSE(Cache->find(Key, Diags));
  store();
  std::shared_ptr<const Program> Found = Cache->find(Key, Diags);
  ASSERT_TRUE(Found) << Diags.str();
  EXPECT_EQ(Found->manifest().Model.Architecture, "fake");
  EXPECT_NE(Found->entry(0), nullptr);
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
  struct stat Status;
  ASSERT_EQ(stat(Cache->libraryPath(Key).c_str(), &Status), 0);
  EXPECT_EQ(Status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(Cache->folder().c_str(), &Status), 0);
  EXPECT_EQ(Status.st_mode & 0777, 0700u);
}

TEST_F(ProgramCacheTest, TruncatedEntryIsDiscarded) {
  store();
  ASSERT_EQ(truncate(Cache->libraryPath(Key).c_str(), 1000), 0);
  expectDiscarded("its hash differs");
}

TEST_F(ProgramCacheTest, EmptyEntryIsDiscarded) {
  store();
  ASSERT_EQ(truncate(Cache->libraryPath(Key).c_str(), 0), 0);
  expectDiscarded("cannot be checked");
}

TEST_F(ProgramCacheTest, FlippedBitIsDiscarded) {
  store();
  std::string Content = readFile(Cache->libraryPath(Key));
  Content[Content.size() / 2] ^= 1;
  writeFile(Cache->libraryPath(Key), Content);
  expectDiscarded("its hash differs");
}

TEST_F(ProgramCacheTest, WriterKilledBetweenItsTwoFiles) {
  store();
  ASSERT_EQ(unlink(Cache->sumPath(Key).c_str()), 0);
  expectDiscarded("cannot be checked");
}

TEST_F(ProgramCacheTest, SoundHashOfNoProgramIsDiscarded) {
  ASSERT_TRUE(Cache->store(
      Key,
      [](const std::string &Path) {
        writeFile(Path, "not a library");
        return true;
      },
      Diags));
  expectDiscarded("cannot be opened as a shared library");
}

TEST_F(ProgramCacheTest, EntryThatOthersMayWriteIsDiscarded) {
  store();
  ASSERT_EQ(chmod(Cache->libraryPath(Key).c_str(), 0666), 0);
  expectDiscarded("is not ours alone");
}

TEST_F(ProgramCacheTest, SymbolicLinkIsDiscarded) {
  store();
  ASSERT_EQ(unlink(Cache->libraryPath(Key).c_str()), 0);
  ASSERT_EQ(symlink(FAKE_PROGRAM_PATH, Cache->libraryPath(Key).c_str()), 0);
  expectDiscarded("is not a regular file");
  EXPECT_EQ(access(FAKE_PROGRAM_PATH, F_OK), 0);
}

TEST_F(ProgramCacheTest, FailedWriteLeavesNothing) {
  EXPECT_FALSE(Cache->store(
      Key,
      [](const std::string &Path) {
        writeFile(Path, "half");
        return false;
      },
      Diags));
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_EQ(Diags.all()[0].Number, 622u);
  EXPECT_TRUE(std::filesystem::is_empty(Cache->folder()));
}

TEST_F(ProgramCacheTest, FolderThatOthersMayWriteIsRefused) {
  ASSERT_EQ(chmod(Folder.path("cache").c_str(), 0777), 0);
  EXPECT_FALSE(ProgramCache::open(Folder.path("cache"), Diags));
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_EQ(Diags.all()[0].Number, 620u);
  EXPECT_NE(Diags.str().find("other users may write it"), std::string::npos);
}

TEST_F(ProgramCacheTest, FolderThatCannotBeMadeIsAWarning) {
  writeFile(Folder.path("file"), "");
  for (const std::string &Path : {std::string(), Folder.path("file"), Folder.path("file/below")}) {
    Diagnostics Local;
    EXPECT_FALSE(ProgramCache::open(Path, Local));
    EXPECT_FALSE(Local.hasErrors());
    ASSERT_EQ(Local.all().size(), 1u);
    EXPECT_EQ(Local.all()[0].Number, 620u);
  }
}

TEST_F(ProgramCacheTest, ParentsAreMade) {
  EXPECT_TRUE(ProgramCache::open(Folder.path("a/b/c"), Diags)) << Diags.str();
}

TEST_F(ProgramCacheTest, EvictsWhatWasUsedLeastRecently) {
  const std::string First(32, '1'), Second(32, '2'), Third(32, '3');
  int64_t Bytes = static_cast<int64_t>(std::filesystem::file_size(FAKE_PROGRAM_PATH));
  open(2 * Bytes);
  timespec Old[2] = {{1000, 0}, {1000, 0}}, Older[2] = {{500, 0}, {500, 0}};
  ASSERT_TRUE(Cache->store(First, writeProgram, Diags));
  ASSERT_TRUE(Cache->store(Second, writeProgram, Diags));
  utimensat(AT_FDCWD, Cache->libraryPath(First).c_str(), Older, 0);
  utimensat(AT_FDCWD, Cache->libraryPath(Second).c_str(), Old, 0);
  std::string Foreign = Cache->folder() + "/libother.so";
  writeFile(Foreign, "somebody's");
  utimensat(AT_FDCWD, Foreign.c_str(), Older, 0);
  EXPECT_TRUE(Cache->find(First, Diags)); // Used now, so the other has to go.
  ASSERT_TRUE(Cache->store(Third, writeProgram, Diags));
  EXPECT_TRUE(Cache->find(First, Diags));
  EXPECT_FALSE(Cache->find(Second, Diags));
  EXPECT_TRUE(Cache->find(Third, Diags));
  EXPECT_EQ(access(Foreign.c_str(), F_OK), 0);
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
}

TEST_F(ProgramCacheTest, LeftoversOfKilledWritersAreRemoved) {
  std::string Stale = Cache->folder() + "/.lathe-1-0.tmp",
              Fresh = Cache->folder() + "/.lathe-1-1.tmp";
  writeFile(Stale, "x");
  writeFile(Fresh, "x");
  timespec Old[2] = {{1000, 0}, {1000, 0}};
  utimensat(AT_FDCWD, Stale.c_str(), Old, 0);
  store();
  EXPECT_NE(access(Stale.c_str(), F_OK), 0);
  EXPECT_EQ(access(Fresh.c_str(), F_OK), 0);
}

TEST_F(ProgramCacheTest, WritersAndReadersTogether) {
  std::atomic<int> Found = 0, Warnings = 0;
  auto Work = [&](bool Writes) {
    for (int I = 0; I < 25; ++I) {
      Diagnostics Local;
      if (Writes)
        Cache->store(Key, writeProgram, Local);
      else
        Found += Cache->find(Key, Local) != nullptr;
      Warnings += static_cast<int>(Local.all().size());
    }
  };
  store();
  std::thread Threads[] = {std::thread(Work, true), std::thread(Work, true),
                           std::thread(Work, false), std::thread(Work, false)};
  for (std::thread &Each : Threads)
    Each.join();
  EXPECT_EQ(Warnings, 0);
  EXPECT_EQ(Found, 50);
}

TEST_F(ProgramCacheTest, EveryPartCountsInTheKey) {
  const uint8_t Header[] = {1, 2, 3}, Other[] = {1, 2, 4};
  CacheKeyParts Base = {Header, "host", "auto", 512, "100-1.5", "cpu: avx2"};
  std::vector<CacheKeyParts> All(8, Base);
  All[1].ModelHeader = Other;
  All[2].Target = "x86-64-v3";
  All[3].Precision = "f32";
  All[4].MaxPrefillRows = 64;
  All[5].CompilerBuild = "100-1.6";
  All[6].Host = "cpu:";
  All[7].Target = "hosta", All[7].Precision = "uto";
  std::set<std::string> Keys;
  for (const CacheKeyParts &Parts : All) {
    EXPECT_EQ(ProgramCache::key(Parts).size(), 32u);
    Keys.insert(ProgramCache::key(Parts));
  }
  EXPECT_EQ(Keys.size(), All.size());
  EXPECT_EQ(ProgramCache::key(Base), ProgramCache::key(All[0]));
}

TEST_F(ProgramCacheTest, MachinesShareTheProgramsOfNamedTargets) {
  auto Key = [](std::string_view Target, std::string_view Host) {
    return ProgramCache::key({{}, Target, "auto", 512, "100-1.5", Host});
  };
  EXPECT_EQ(Key("x86-64-v4", "cpu: avx2"), Key("x86-64-v4", "cpu: avx2 avx512f"));
  EXPECT_NE(Key("host", "cpu: avx2"), Key("host", "cpu: avx2 avx512f"));
  EXPECT_NE(Key("x86-64-v4", "cpu: avx2"), Key("x86-64-v3", "cpu: avx2"));
}

TEST(ProgramCacheFolder, ComesFromTheEnvironment) {
  setenv("LATHE_CACHE", "/a", 1);
  setenv("XDG_CACHE_HOME", "/b", 1);
  setenv("HOME", "/c", 1);
  EXPECT_EQ(ProgramCache::defaultFolder(), "/a");
  setenv("LATHE_CACHE", "", 1);
  EXPECT_EQ(ProgramCache::defaultFolder(), "/b/lathe/programs");
  setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(ProgramCache::defaultFolder(), "/c/.cache/lathe/programs");
  unsetenv("HOME");
  EXPECT_EQ(ProgramCache::defaultFolder(), "");
}

} // namespace
