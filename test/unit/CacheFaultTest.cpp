//===- CacheFaultTest.cpp - A cache on a bad day --------------------------===//
//
// Full and read-only disks, killed writers, folders of strangers.  What needs a
// file system of its own is mounted for this process alone, which takes root.
//
//===----------------------------------------------------------------------===//

#include "runtime/session/ProgramCache.h"

#include "fake/TemporaryFolder.h"

#include <csignal>
#include <ctime>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

const std::string Key(32, 'a'), Other(32, 'b');

bool writeProgram(const std::string &Path) {
  writeFile(Path, readFile(FAKE_PROGRAM_PATH));
  return std::filesystem::file_size(Path) == std::filesystem::file_size(FAKE_PROGRAM_PATH);
}

/// A tmpfs on `Folder` that only this process sees.
bool mountSmall(const std::string &Folder, const char *Options) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", Folder.c_str(), "tmpfs", 0, Options) == 0;
}

class CacheFaultTest : public testing::Test {
protected:
  ~CacheFaultTest() override { umount2(Folder.path().c_str(), MNT_DETACH); }

  void open() {
    Cache = ProgramCache::open(Folder.path(), Diags);
    ASSERT_TRUE(Cache) << Diags.str();
  }
  /// One warning of that number, which says `Reason`.
  void expectWarning(unsigned Number, const std::string &Reason) {
    EXPECT_FALSE(Diags.hasErrors());
    ASSERT_EQ(Diags.all().size(), 1u) << Diags.str();
    EXPECT_EQ(Diags.all()[0].Number, Number);
    EXPECT_NE(Diags.str().find(Reason), std::string::npos) << Diags.str();
  }

  TemporaryFolder Folder;
  std::optional<ProgramCache> Cache;
  Diagnostics Diags;
};

TEST_F(CacheFaultTest, FullDiskKeepsWhatIsThere) {
  // Room for one program and a half.
  auto Size = std::filesystem::file_size(FAKE_PROGRAM_PATH) * 3 / 2 / 4096 * 4096;
  if (!mountSmall(Folder.path(), ("mode=0700,size=" + std::to_string(Size)).c_str()))
    GTEST_SKIP() << "needs root to mount a file system";
  open();
  ASSERT_TRUE(Cache->store(Key, {}, writeProgram, Diags)) << Diags.str();
  EXPECT_FALSE(Cache->store(Other, {}, writeProgram, Diags));
  expectWarning(622, "not stored: ");
  EXPECT_TRUE(Cache->find(Key, Diags));
  EXPECT_FALSE(Cache->find(Other, Diags));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Folder.path()), {}), 1);
}

TEST_F(CacheFaultTest, DiskThatIsFullAtTheTrailer) {
  auto Size = (std::filesystem::file_size(FAKE_PROGRAM_PATH) + 4095) / 4096 * 4096;
  if (!mountSmall(Folder.path(), ("mode=0700,size=" + std::to_string(Size)).c_str()))
    GTEST_SKIP() << "needs root to mount a file system";
  open();
  auto Fill = [&](const std::string &Path) {
    // All pages are taken, the last one to its end.
    writeFile(Path, readFile(FAKE_PROGRAM_PATH) +
                        std::string(Size - std::filesystem::file_size(FAKE_PROGRAM_PATH), 'x'));
    return true;
  };
  EXPECT_FALSE(Cache->store(Key, {}, Fill, Diags));
  expectWarning(622, "no space left on device");
  EXPECT_TRUE(std::filesystem::is_empty(Folder.path()));
}

TEST_F(CacheFaultTest, ReadOnlyDiskStillServes) {
  if (!mountSmall(Folder.path(), "mode=0700,size=1m"))
    GTEST_SKIP() << "needs root to mount a file system";
  open();
  ASSERT_TRUE(Cache->store(Key, {}, writeProgram, Diags)) << Diags.str();
  ASSERT_EQ(mount(nullptr, Folder.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  open();
  EXPECT_TRUE(Cache->find(Key, Diags)) << Diags.str();
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
  EXPECT_FALSE(Cache->store(Other, {}, writeProgram, Diags));
  expectWarning(622, "read-only file system");
}

TEST_F(CacheFaultTest, FolderOfAnotherUserIsRefused) {
  constexpr uid_t Stranger = 12345;
  if (chown(Folder.path().c_str(), Stranger, Stranger) != 0)
    GTEST_SKIP() << "needs root to give a folder away";
  EXPECT_FALSE(ProgramCache::open(Folder.path(), Diags));
  expectWarning(620, "belongs to user 12345");
}

TEST_F(CacheFaultTest, EntryOfAnotherUserIsRefused) {
  open();
  ASSERT_TRUE(Cache->store(Key, {}, writeProgram, Diags)) << Diags.str();
  if (chown(Cache->path(Key).c_str(), 12345, 12345) != 0)
    GTEST_SKIP() << "needs root to give a file away";
  EXPECT_FALSE(Cache->find(Key, Diags));
  expectWarning(621, "is not ours alone");
}

/// Stores again and again until it is killed.
[[noreturn]] void storeForEver(const ProgramCache &Cache) {
  while (true) {
    Diagnostics Ignored;
    Cache.store(Key, {}, writeProgram, Ignored);
  }
}

TEST_F(CacheFaultTest, KilledWritersLeaveSoundEntriesOnly) {
  open();
  int Found = 0;
  for (int Round = 0; Round < 60; ++Round) {
    pid_t Writer = fork();
    if (Writer == 0)
      storeForEver(*Cache);
    ASSERT_GT(Writer, 0);
    timespec Pause = {0, 100'000 + Round * 230'000};
    nanosleep(&Pause, nullptr);
    kill(Writer, SIGKILL);
    ASSERT_EQ(waitpid(Writer, nullptr, 0), Writer);
    Found += Cache->find(Key, Diags) != nullptr;
    ASSERT_TRUE(Diags.all().empty()) << Diags.str();
  }
  EXPECT_GT(Found, 0);
  EXPECT_EQ(Cache->verify(Diags), 1);
  for (const auto &Each : std::filesystem::directory_iterator(Folder.path()))
    EXPECT_TRUE(Each.path() == Cache->path(Key) ||
                Each.path().filename().string().starts_with(".lathe-"))
        << Each.path();
}

TEST_F(CacheFaultTest, WritersOfSeveralProcesses) {
  open();
  std::vector<pid_t> Writers;
  for (int I = 0; I < 4; ++I)
    if (Writers.emplace_back(fork()) == 0)
      storeForEver(*Cache);
  int Found = 0;
  for (int Round = 0; Round < 50; ++Round) {
    timespec Pause = {0, 4'000'000};
    nanosleep(&Pause, nullptr);
    Found += Cache->find(Key, Diags) != nullptr;
  }
  for (pid_t Each : Writers) {
    kill(Each, SIGKILL);
    waitpid(Each, nullptr, 0);
  }
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
  EXPECT_GT(Found, 0);
}

} // namespace
