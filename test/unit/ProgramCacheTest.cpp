//===- ProgramCacheTest.cpp - Compiled programs of this user --------------===//

#include "runtime/session/ProgramCache.h"

#include "fake/TemporaryFolder.h"

#include <algorithm>
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
const CacheNote Note = {"A Model", "host", "auto", "100-1.5", "cpu: avx2"};

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
  void store() { ASSERT_TRUE(Cache->store(Key, Note, writeProgram, Diags)) << Diags.str(); }

  /// The entry is found no more, with one warning that says `Reason`.
  void expectDiscarded(const std::string &Reason) {
    EXPECT_FALSE(Cache->find(Key, Diags));
    EXPECT_FALSE(Diags.hasErrors());
    ASSERT_EQ(Diags.all().size(), 1u) << Diags.str();
    EXPECT_EQ(Diags.all()[0].Number, 621u);
    EXPECT_NE(Diags.all()[0].Message.find(Reason), std::string::npos) << Diags.str();
    EXPECT_NE(access(Cache->path(Key).c_str(), F_OK), 0);
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
  ASSERT_EQ(stat(Cache->path(Key).c_str(), &Status), 0);
  EXPECT_EQ(Status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(Cache->folder().c_str(), &Status), 0);
  EXPECT_EQ(Status.st_mode & 0777, 0700u);
}

TEST_F(ProgramCacheTest, TruncatedEntryIsDiscarded) {
  store();
  ASSERT_EQ(truncate(Cache->path(Key).c_str(), 1000), 0);
  expectDiscarded("its hash differs");
}

TEST_F(ProgramCacheTest, EmptyEntryIsDiscarded) {
  store();
  ASSERT_EQ(truncate(Cache->path(Key).c_str(), 0), 0);
  expectDiscarded("cannot be checked");
}

TEST_F(ProgramCacheTest, FlippedBitIsDiscarded) {
  store();
  const std::string Content = readFile(Cache->path(Key));
  constexpr size_t Page = 4096;
  for (size_t At = Page / 2; At < Content.size() + Page; At += Page) {
    // The last one hits the hash.
    std::string Flipped = Content;
    Flipped[std::min(At, Content.size() - 2)] ^= 1;
    writeFile(Cache->path(Key), Flipped);
    expectDiscarded("its hash differs");
    Diags = {};
  }
}

TEST_F(ProgramCacheTest, SoundHashOfNoProgramIsDiscarded) {
  ASSERT_TRUE(Cache->store(
      Key, Note,
      [](const std::string &Path) {
        writeFile(Path, "not a library");
        return true;
      },
      Diags));
  expectDiscarded("cannot be opened as a shared library");
}

TEST_F(ProgramCacheTest, EntryThatOthersMayWriteIsDiscarded) {
  store();
  ASSERT_EQ(chmod(Cache->path(Key).c_str(), 0666), 0);
  expectDiscarded("is not ours alone");
}

TEST_F(ProgramCacheTest, SymbolicLinkIsDiscarded) {
  store();
  ASSERT_EQ(unlink(Cache->path(Key).c_str()), 0);
  ASSERT_EQ(symlink(FAKE_PROGRAM_PATH, Cache->path(Key).c_str()), 0);
  expectDiscarded("is not a regular file");
  EXPECT_EQ(access(FAKE_PROGRAM_PATH, F_OK), 0);
}

TEST_F(ProgramCacheTest, FailedWriteLeavesNothing) {
  EXPECT_FALSE(Cache->store(
      Key, Note,
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
  constexpr int64_t Trailer = 512;
  int64_t Bytes = static_cast<int64_t>(std::filesystem::file_size(FAKE_PROGRAM_PATH)) + Trailer;
  open(2 * Bytes);
  timespec Old[2] = {{1000, 0}, {1000, 0}}, Older[2] = {{500, 0}, {500, 0}};
  ASSERT_TRUE(Cache->store(First, Note, writeProgram, Diags));
  ASSERT_TRUE(Cache->store(Second, Note, writeProgram, Diags));
  utimensat(AT_FDCWD, Cache->path(First).c_str(), Older, 0);
  utimensat(AT_FDCWD, Cache->path(Second).c_str(), Old, 0);
  std::string Foreign = Cache->folder() + "/libother.so";
  writeFile(Foreign, "somebody's");
  utimensat(AT_FDCWD, Foreign.c_str(), Older, 0);
  EXPECT_TRUE(Cache->find(First, Diags)); // Used now, so the other has to go.
  ASSERT_TRUE(Cache->store(Third, Note, writeProgram, Diags));
  EXPECT_TRUE(Cache->find(First, Diags));
  EXPECT_FALSE(Cache->find(Second, Diags));
  EXPECT_TRUE(Cache->find(Third, Diags));
  EXPECT_EQ(access(Foreign.c_str(), F_OK), 0);
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
}

TEST_F(ProgramCacheTest, LeftoversOfKilledWritersAreRemoved) {
  // A linker has temporaries of its own; a clock may have been ahead.
  std::vector<std::string> Stale = {"/.lathe-1-0.tmp", "/.lathe-1-2.tmp.o", "/.lathe-1-3.tmp"};
  timespec Old[2] = {{1000, 0}, {1000, 0}}, Ahead[2] = {{4000000000, 0}, {4000000000, 0}};
  for (std::string &Name : Stale) {
    Name = Cache->folder() + Name;
    writeFile(Name, "x");
    utimensat(AT_FDCWD, Name.c_str(), Name.ends_with("3.tmp") ? Ahead : Old, 0);
  }
  std::string Fresh = Cache->folder() + "/.lathe-1-1.tmp";
  writeFile(Fresh, "x");
  store();
  for (const std::string &Name : Stale)
    EXPECT_NE(access(Name.c_str(), F_OK), 0) << Name;
  EXPECT_EQ(access(Fresh.c_str(), F_OK), 0);
}

TEST_F(ProgramCacheTest, ListsWhatItHolds) {
  const std::string Older(32, 'a');
  store();
  ASSERT_TRUE(Cache->store(Older, {"Another\nline", "t", "f32", "", ""}, writeProgram, Diags));
  timespec Old[2] = {{1000, 0}, {1000, 0}};
  utimensat(AT_FDCWD, Cache->path(Older).c_str(), Old, 0);
  writeFile(Cache->path(std::string(32, 'b')), readFile(FAKE_PROGRAM_PATH));
  std::vector<CacheFile> Files = Cache->list();
  ASSERT_EQ(Files.size(), 3u);
  EXPECT_EQ(Files[0].Key, Older);
  EXPECT_EQ(Files[0].Used, 1000);
  ASSERT_TRUE(Files[0].Note);
  EXPECT_EQ(Files[0].Note->Model, "Another line");
  EXPECT_EQ(Files[0].Bytes, static_cast<int64_t>(std::filesystem::file_size(Cache->path(Older))));
  auto Stored =
      std::find_if(Files.begin(), Files.end(), [](auto &Each) { return Each.Key == Key; });
  ASSERT_TRUE(Stored != Files.end() && Stored->Note);
  EXPECT_EQ(Stored->Note->Model, "A Model");
  EXPECT_EQ(Stored->Note->Target, "host");
  EXPECT_EQ(Stored->Note->Precision, "auto");
  EXPECT_EQ(Stored->Note->CompilerBuild, "100-1.5");
  EXPECT_EQ(Stored->Note->Host, "cpu: avx2");
  EXPECT_EQ(std::count_if(Files.begin(), Files.end(), [](auto &Each) { return !Each.Note; }), 1);
}

TEST_F(ProgramCacheTest, ClearRemovesEntriesOnly) {
  const std::string Kept(32, 'a');
  store();
  ASSERT_TRUE(Cache->store(Kept, Note, writeProgram, Diags));
  for (const char *Name : {"libother.so", "0123.so", "notes.txt", "0123456789abcdef.sum"})
    writeFile(Cache->folder() + "/" + Name, "somebody's");
  std::string Folder = Cache->folder() + "/" + std::string(32, 'c') + ".so";
  ASSERT_EQ(mkdir(Folder.c_str(), 0700), 0);
  std::vector<CacheFile> Removed =
      Cache->clear([](const CacheFile &Each) { return Each.Key == Key; });
  ASSERT_EQ(Removed.size(), 1u);
  EXPECT_EQ(Removed[0].Key, Key);
  EXPECT_FALSE(Cache->find(Key, Diags));
  EXPECT_TRUE(Cache->find(Kept, Diags));
  EXPECT_EQ(Cache->clear([](const CacheFile &) { return true; }).size(), 1u);
  auto Left = std::distance(std::filesystem::directory_iterator(Cache->folder()),
                            std::filesystem::directory_iterator());
  EXPECT_EQ(Left, 5);
}

TEST_F(ProgramCacheTest, VerifyRemovesWhatIsDamaged) {
  const std::string Damaged(32, 'd'), Bare(32, 'e');
  store();
  ASSERT_TRUE(Cache->store(Damaged, Note, writeProgram, Diags));
  std::string Content = readFile(Cache->path(Damaged));
  Content[Content.size() / 3] ^= 64;
  writeFile(Cache->path(Damaged), Content);
  writeFile(Cache->path(Bare), readFile(FAKE_PROGRAM_PATH));
  EXPECT_EQ(Cache->verify(Diags), 1);
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_EQ(Diags.all().size(), 2u) << Diags.str();
  Diags = {};
  EXPECT_EQ(Cache->verify(Diags), 1);
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
}

TEST_F(ProgramCacheTest, WritersAndReadersTogether) {
  std::atomic<int> Found = 0, Warnings = 0;
  auto Work = [&](bool Writes) {
    for (int I = 0; I < 25; ++I) {
      Diagnostics Local;
      if (Writes)
        Cache->store(Key, Note, writeProgram, Local);
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

TEST(CacheEntry, HashIsTheOneOfXxhash) {
  // The digests of no bytes and of "a" by xxhsum -H128 (xxHash 0.8).
  EXPECT_EQ(hexHash(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hexHash("a"), "a96faf705af16834e6c632b61e964e1f");
}

TEST(CacheEntry, TrailerIsReadBack) {
  for (size_t Size : {0, 1, 4096}) {
    std::string Code(Size, 'c'), Entry = Code + cacheTrailer(Code, Note);
    EXPECT_TRUE(cacheHashHolds(Entry));
    std::optional<CacheNote> Read = readCacheNote(Entry);
    ASSERT_TRUE(Read);
    EXPECT_EQ(Read->Host, Note.Host);
    for (size_t Cut : {size_t(0), size_t(1), Entry.size() / 2, Entry.size() - 1}) {
      EXPECT_FALSE(cacheHashHolds(std::string_view(Entry).substr(0, Cut)));
      readCacheNote(std::string_view(Entry).substr(0, Cut));
    }
  }
  EXPECT_FALSE(readCacheNote(std::string(200, '9')));
}

TEST(ProgramCacheSize, ComesFromTheEnvironment) {
  Diagnostics Diags;
  for (auto [Text, Bytes] : {std::pair("", ProgramCache::DefaultMaxBytes),
                             {"0", 0},
                             {"4096", 4096},
                             {"3K", 3 << 10},
                             {"500M", int64_t(500) << 20},
                             {"2G", int64_t(2) << 30}}) {
    setenv("LATHE_CACHE_SIZE", Text, 1);
    EXPECT_EQ(ProgramCache::defaultMaxBytes(Diags), Bytes) << Text;
  }
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
  for (const char *Text :
       {"much", "-1", "M", "1T", "1.5G", "99999999999999999999", "9999999999999G"}) {
    setenv("LATHE_CACHE_SIZE", Text, 1);
    EXPECT_EQ(ProgramCache::defaultMaxBytes(Diags), ProgramCache::DefaultMaxBytes) << Text;
  }
  EXPECT_EQ(Diags.all().size(), 7u);
  EXPECT_FALSE(Diags.hasErrors());
  unsetenv("LATHE_CACHE_SIZE");
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
