//===- WeightCacheTest.cpp - Packed weights kept on the disk --------------===//

#include "runtime/weights/WeightCache.h"

#include "GGUFBuilder.h"
#include "fake/TemporaryFolder.h"
#include "runtime/weights/WeightStore.h"

#include <csignal>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

constexpr int64_t N = 100, K = 64;
constexpr uint64_t Large = uint64_t(1) << 30;

Manifest program(const char *Format = "q8_0") {
  ManifestWeight Weight;
  Weight.Symbol = Weight.Tensors = "w";
  Weight.Format = findBlockFormat(Format);
  Weight.Shape = {N, K};
  Manifest Program;
  Program.Weights = {Weight};
  Program.WeightTableSize = 1;
  return Program;
}

/// Bytes of a model whose weights depend on `Seed`.
std::string modelBytes(uint32_t Seed) {
  constexpr uint32_t Q8_0 = 8;
  std::vector<uint8_t> Bytes = GGUFBuilder().tensor({"w", {K, N}, Q8_0, N * K / 32 * 34}).build();
  for (size_t I = Bytes.size() - N * K / 32 * 34; I < Bytes.size(); ++I)
    Bytes[I] = static_cast<uint8_t>(((I + Seed) * 2654435761u >> 13) & 0x3f);
  return {Bytes.begin(), Bytes.end()};
}

class WeightCacheTest : public testing::Test {
protected:
  void SetUp() override {
    Workers = WorkerPool::create(2, Diags);
    writeFile(Model, modelBytes(0));
    Cache = WeightCache::open(Folder.path("cache"), Diags, Large);
    ASSERT_TRUE(Workers && Cache) << Diags.str();
  }

  /// What is packed from a file that has just changed is not kept.
  static void settle() {
    constexpr timespec Step = {2, 100'000'000};
    nanosleep(&Step, nullptr);
  }

  std::unique_ptr<WeightStore> load(Diagnostics &To) {
    std::unique_ptr<GGUFFile> File = GGUFFile::open(Model, To);
    return File ? WeightStore::create(*File, program(), *Workers, SourcePages::Release,
                                      NonFiniteWeights::Warning, To, &*Cache)
                : nullptr;
  }

  static std::string weights(const WeightStore &Store) {
    return {reinterpret_cast<const char *>(Store.table()[0]), Store.bytes()};
  }

  /// The path of the one entry.
  std::string entry() {
    std::vector<WeightEntry> Entries = Cache->list();
    EXPECT_EQ(Entries.size(), 1u);
    return Entries.empty() ? "" : Cache->folder().entryPath(Entries[0].Key);
  }

  /// A cache that holds the model.
  void fill() {
    settle();
    std::unique_ptr<WeightStore> Store = load(Diags);
    ASSERT_TRUE(Store) << Diags.str();
    EXPECT_FALSE(Store->fromCache());
    Packed = weights(*Store);
    Store.reset();
    ASSERT_TRUE(Diags.all().empty()) << Diags.str();
  }

  void expectDiscardedAndMadeAgain(const char *Reason) {
    std::unique_ptr<WeightStore> Store = load(Diags);
    ASSERT_TRUE(Store) << Diags.str();
    EXPECT_FALSE(Store->fromCache());
    EXPECT_EQ(weights(*Store), Packed);
    ASSERT_EQ(Diags.all().size(), 1u) << Diags.str();
    EXPECT_EQ(Diags.all()[0].Number, 621u);
    EXPECT_NE(Diags.str().find(Reason), std::string::npos) << Diags.str();
    Store.reset();
    Diagnostics Local;
    Store = load(Local);
    ASSERT_TRUE(Store);
    EXPECT_TRUE(Store->fromCache() && Local.all().empty()) << Local.str();
  }

  TemporaryFolder Folder;
  std::string Model = Folder.path("model.gguf"), Packed;
  Diagnostics Diags;
  std::unique_ptr<WorkerPool> Workers;
  std::optional<WeightCache> Cache;
};

TEST_F(WeightCacheTest, SecondLoadMapsWhatTheFirstPacked) {
  fill();
  std::unique_ptr<WeightStore> Store = load(Diags);
  ASSERT_TRUE(Store) << Diags.str();
  EXPECT_TRUE(Store->fromCache());
  EXPECT_EQ(weights(*Store), Packed);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(Store->table()[0]) % 64, 0u);
  std::vector<WeightEntry> Entries = Cache->list();
  ASSERT_EQ(Entries.size(), 1u);
  EXPECT_EQ(Entries[0].Model, Model);
  EXPECT_EQ(Entries[0].Bytes, WeightEntryHeaderBytes + Packed.size());
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(*const_cast<volatile uint8_t *>(Store->table()[0]) = 1, "");
}

TEST_F(WeightCacheTest, FileThatHasJustChangedIsNotKept) {
  ASSERT_TRUE(load(Diags)) << Diags.str();
  EXPECT_TRUE(Cache->list().empty());
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
}

TEST_F(WeightCacheTest, ChangedFileOfTheSameSizeAndTimeIsPackedAnew) {
  fill();
  struct stat Before;
  ASSERT_EQ(stat(Model.c_str(), &Before), 0);
  writeFile(Model, modelBytes(1));
  timespec Times[2] = {Before.st_atim, Before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, Model.c_str(), Times, 0), 0);
  std::unique_ptr<WeightStore> Store = load(Diags);
  ASSERT_TRUE(Store) << Diags.str();
  EXPECT_FALSE(Store->fromCache());
  EXPECT_NE(weights(*Store), Packed);
}

TEST_F(WeightCacheTest, EveryPartCountsInTheKey) {
  std::string Header = "header";
  auto Key = [&](const FileIdentity &Identity, const Manifest &Program) {
    return WeightCache::key(
        Identity, {reinterpret_cast<const uint8_t *>(Header.data()), Header.size()}, Program);
  };
  FileIdentity Identity = {1, 2, 3, 4, 5};
  std::vector<std::string> Keys = {Key(Identity, program())};
  EXPECT_EQ(Keys[0], Key(Identity, program()));
  for (uint64_t FileIdentity::*Part :
       {&FileIdentity::Device, &FileIdentity::Inode, &FileIdentity::Bytes}) {
    FileIdentity Other = Identity;
    Other.*Part = 9;
    Keys.push_back(Key(Other, program()));
  }
  for (int64_t FileIdentity::*Part :
       {&FileIdentity::ModifiedNanoseconds, &FileIdentity::ChangedNanoseconds}) {
    FileIdentity Other = Identity;
    Other.*Part = 9;
    Keys.push_back(Key(Other, program()));
  }
  Keys.push_back(Key(Identity, program("q4_0")));
  Manifest Other = program();
  Other.Weights[0].Shape = {K, N};
  Keys.push_back(Key(Identity, Other));
  Header = "headeR";
  Keys.push_back(Key(Identity, program()));
  std::sort(Keys.begin(), Keys.end());
  EXPECT_EQ(std::unique(Keys.begin(), Keys.end()), Keys.end());
}

TEST_F(WeightCacheTest, CutOffEntryIsDiscarded) {
  fill();
  ASSERT_EQ(truncate(entry().c_str(), WeightEntryHeaderBytes + 100), 0);
  expectDiscardedAndMadeAgain("found 100 bytes of weights");
}

TEST_F(WeightCacheTest, EntryWithoutAWholeHeaderIsDiscarded) {
  fill();
  ASSERT_EQ(truncate(entry().c_str(), 0), 0);
  expectDiscardedAndMadeAgain("discarded");
}

TEST_F(WeightCacheTest, DamagedHeaderIsDiscarded) {
  fill();
  std::string Path = entry(), Bytes = readFile(Path);
  Bytes[70] ^= 1;
  writeFile(Path, Bytes);
  expectDiscardedAndMadeAgain("its header is damaged");
}

TEST_F(WeightCacheTest, EntryOfAnotherKeyIsDiscarded) {
  fill();
  std::string Path = entry(), Elsewhere = Folder.path("elsewhere");
  ASSERT_EQ(rename(Path.c_str(), Elsewhere.c_str()), 0);
  settle();
  writeFile(Model, modelBytes(2));
  fill();
  ASSERT_EQ(rename(Elsewhere.c_str(), entry().c_str()), 0);
  expectDiscardedAndMadeAgain("its header names another key");
}

TEST_F(WeightCacheTest, EntryThatOthersMayWriteIsDiscarded) {
  fill();
  ASSERT_EQ(chmod(entry().c_str(), 0620), 0);
  expectDiscardedAndMadeAgain("is not ours alone");
}

TEST_F(WeightCacheTest, LinkIsNoEntry) {
  fill();
  std::string Path = entry(), Elsewhere = Folder.path("elsewhere");
  ASSERT_EQ(rename(Path.c_str(), Elsewhere.c_str()), 0);
  ASSERT_EQ(symlink(Elsewhere.c_str(), Path.c_str()), 0);
  expectDiscardedAndMadeAgain("is not a regular file");
}

TEST_F(WeightCacheTest, VerifyFindsAFlippedBitInEveryPage) {
  fill();
  std::string Path = entry(), Whole = readFile(Path);
  EXPECT_EQ(Cache->verify(Diags), 1u);
  for (size_t At = WeightEntryHeaderBytes + 17; At < Whole.size(); At += 4096) {
    std::string Damaged = Whole;
    Damaged[At] ^= 4;
    writeFile(Path, Damaged);
    Diagnostics Local;
    EXPECT_EQ(Cache->verify(Local), 0u);
    EXPECT_EQ(Local.all().size(), 1u);
    EXPECT_NE(access(Path.c_str(), F_OK), 0);
    writeFile(Path, Whole);
    ASSERT_EQ(chmod(Path.c_str(), 0600), 0);
  }
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
}

TEST_F(WeightCacheTest, FullDiskCostsTheEntryAlone) {
  settle();
  // The limit on the size of files stands for the end of the disk.
  rlimit Before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &Before), 0);
  signal(SIGXFSZ, SIG_IGN);
  rlimit Small = {2048, Before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &Small), 0);
  std::unique_ptr<WeightStore> Store = load(Diags);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &Before), 0);
  ASSERT_TRUE(Store) << Diags.str();
  EXPECT_FALSE(Store->fromCache());
  ASSERT_EQ(Diags.all().size(), 1u) << Diags.str();
  EXPECT_EQ(Diags.all()[0].Number, 622u);
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_TRUE(std::filesystem::is_empty(Folder.path("cache")));
}

TEST_F(WeightCacheTest, KilledWriterLeavesNothing) {
  settle();
  pid_t Child = fork();
  if (Child == 0) {
    auto Writer = Cache->create(std::string(32, 'a'), 1 << 20, Model, Diags);
    std::memset(Writer->memory().data() + WeightEntryHeaderBytes, 1, 1 << 20);
    kill(getpid(), SIGKILL);
  }
  int Status = 0;
  ASSERT_EQ(waitpid(Child, &Status, 0), Child);
  EXPECT_TRUE(WIFSIGNALED(Status));
  EXPECT_TRUE(std::filesystem::is_empty(Folder.path("cache")));
}

TEST_F(WeightCacheTest, TwoWritersMakeOneWholeEntry) {
  auto Write = [&] {
    auto Writer = Cache->create(std::string(32, 'b'), 1 << 20, Model, Diags);
    std::memset(Writer->memory().data() + WeightEntryHeaderBytes, 7, 1 << 20);
    return Writer;
  };
  auto First = Write(), Second = Write();
  First->keep();
  Second->keep();
  First.reset();
  Second.reset();
  EXPECT_EQ(Cache->list().size(), 1u);
  EXPECT_EQ(Cache->verify(Diags), 1u) << Diags.str();
  EXPECT_TRUE(Cache->find(std::string(32, 'b'), 1 << 20, Diags)) << Diags.str();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Folder.path("cache")), {}), 1);
}

TEST_F(WeightCacheTest, LeastRecentlyUsedGoFirst) {
  constexpr uint64_t Each = (1 << 20) + WeightEntryHeaderBytes;
  Cache = WeightCache::open(Folder.path("cache"), Diags, 2 * Each + 10);
  writeFile(Folder.path("cache/notes.txt"), "dear to its owner");
  auto Store = [&](char Letter) {
    auto Writer = Cache->create(std::string(32, Letter), 1 << 20, Model, Diags);
    ASSERT_TRUE(Writer) << Diags.str();
    Writer->keep();
  };
  auto Has = [&](char Letter) { return Cache->folder().has(std::string(32, Letter)); };
  Store('a');
  Store('b');
  // The clock of files has steps that are longer than this test.
  for (auto [Letter, Seconds] : {std::pair('a', 1000), std::pair('b', 2000)}) {
    timespec Times[2] = {{Seconds, 0}, {Seconds, 0}};
    std::string Path = Cache->folder().entryPath(std::string(32, Letter));
    ASSERT_EQ(utimensat(AT_FDCWD, Path.c_str(), Times, 0), 0);
  }
  EXPECT_TRUE(Cache->find(std::string(32, 'a'), 1 << 20, Diags));
  Store('c');
  EXPECT_TRUE(Has('a') && !Has('b') && Has('c'));
  EXPECT_EQ(Cache->create(std::string(32, 'd'), 3 << 20, Model, Diags), nullptr);
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
  EXPECT_EQ(readFile(Folder.path("cache/notes.txt")), "dear to its owner");
}

TEST_F(WeightCacheTest, FolderThatOthersMayWriteIsNotUsed) {
  ASSERT_EQ(chmod(Folder.path("cache").c_str(), 0770), 0);
  EXPECT_FALSE(WeightCache::open(Folder.path("cache"), Diags, Large));
  ASSERT_EQ(Diags.all().size(), 1u);
  EXPECT_EQ(Diags.all()[0].Number, 620u);
}

TEST_F(WeightCacheTest, TheEnvironmentSaysTheSize) {
  setenv("LATHE_CACHE", Folder.path("other").c_str(), 1);
  auto Size = [&](const char *Text) {
    setenv("LATHE_WEIGHT_CACHE_SIZE", Text, 1);
    return WeightCache::openDefault(Diags);
  };
  EXPECT_EQ(Size("3M")->maxBytes(), 3u << 20);
  EXPECT_EQ(Size("70")->maxBytes(), 70u);
  EXPECT_FALSE(Size("0"));
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
  EXPECT_GT(Size("much")->maxBytes(), 0u);
  ASSERT_EQ(Diags.all().size(), 1u);
  EXPECT_EQ(Diags.all()[0].Number, 624u);
  unsetenv("LATHE_WEIGHT_CACHE_SIZE");
  std::optional<WeightCache> Default = WeightCache::openDefault(Diags);
  EXPECT_LE(Default->maxBytes(), WeightCache::MostDefaultBytes);
  EXPECT_EQ(Default->folder().path(), Folder.path("other/weights"));
}

TEST_F(WeightCacheTest, WeightsThatAreNotFiniteAreToldEveryTime) {
  std::string Bytes = modelBytes(0);
  std::memcpy(Bytes.data() + Bytes.size() - 34, "\x00\x7c", 2);
  writeFile(Model, Bytes);
  settle();
  for (int I = 0; I < 2; ++I) {
    Diagnostics Local;
    ASSERT_TRUE(load(Local)) << Local.str();
    ASSERT_EQ(Local.all().size(), 1u) << Local.str();
    EXPECT_EQ(Local.all()[0].Number, 325u);
  }
  EXPECT_TRUE(Cache->list().empty());
}

} // namespace
