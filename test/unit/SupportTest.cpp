//===- SupportTest.cpp - Diagnostics, arithmetic and files ----------------===//

#include "runtime/support/AtomicFile.h"
#include "runtime/support/ByteCursor.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/MappedFile.h"
#include "runtime/support/Text.h"

#include "gtest/gtest.h"

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace lathe;
namespace fs = std::filesystem;

namespace {

//===-- Diagnostics -------------------------------------------------------===//

TEST(Diagnostics, ErrorTableIsSortedAndTold) {
  unsigned Previous = 0;
  for (const ErrorInfo &Info : allErrorInfos()) {
    EXPECT_LT(Previous, Info.Number);
    Previous = Info.Number;
    EXPECT_GE(Info.Number, 100u);
    EXPECT_LT(Info.Number, 1000u);
    EXPECT_FALSE(Info.Title.empty() || Info.Title.ends_with('.')) << Info.Number;
    EXPECT_NE(Info.Explanation.find("Example: "), std::string_view::npos) << Info.Number;
    EXPECT_EQ(findErrorInfo(Info.Number), &Info);
  }
  EXPECT_EQ(findErrorInfo(0), nullptr);
  EXPECT_EQ(findErrorInfo(9999), nullptr);
}

TEST(Diagnostics, Text) {
  Diagnostics Diags;
  EXPECT_EQ(Diags.exitCode(), ExitCode::Ok);
  Diags.warning(325, "a.gguf", "block 1 is not finite");
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_EQ(Diags.exitCode(), ExitCode::Ok);
  Diags.error(301, "a.gguf", "found magic 'PK', expected 'GGUF'", "convert it");
  Diags.error(201, "", "gone");
  EXPECT_EQ(Diags.errorCount(), 2u);
  EXPECT_EQ(Diags.exitCode(), ExitCode::Malformed);
  EXPECT_EQ(Diags.str(), "warning[E0325]: a.gguf: block 1 is not finite\n"
                         "error[E0301]: a.gguf: found magic 'PK', expected 'GGUF'\n"
                         "  hint: convert it\n"
                         "error[E0201]: gone\n");
}

TEST(Diagnostics, AppendCountsErrors) {
  Diagnostics One, Two;
  Two.warning(325, "", "w");
  Two.error(201, "", "e");
  One.append(Two);
  EXPECT_EQ(One.errorCount(), 1u);
  EXPECT_EQ(One.all().size(), 2u);
  EXPECT_EQ(One.exitCode(), ExitCode::Usage);
}

TEST(Diagnostics, UnknownNumbersAreOurFault) {
  Diagnostics Diags;
  Diags.error(999, "", "no such entry");
  EXPECT_EQ(Diags.exitCode(), ExitCode::Internal);
}

TEST(FaultList, TellsTwentyAndCountsTheRest) {
  Diagnostics Diags;
  {
    FaultList Faults(Diags, "file");
    EXPECT_FALSE(Faults.any());
    for (int I = 0; I < 25; ++I)
      Faults.error(311, "place", "wrong");
    Faults.finish();
    EXPECT_TRUE(Faults.any());
  }
  ASSERT_EQ(Diags.all().size(), 21u);
  EXPECT_EQ(Diags.all()[0].Where, "file: place");
  EXPECT_EQ(Diags.all()[20].Message, "5 more faults are not listed");
}

TEST(Text, Quoted) {
  EXPECT_EQ(quoted("name"), "'name'");
  EXPECT_EQ(quoted("a\x1b[1m\n\x7f"), "'a\\x1b[1m\\x0a\\x7f'");
  EXPECT_EQ(quoted("\xc3\xa9\xc2\x9b!"), "'\xc3\xa9\\xc2\\x9b!'");
  EXPECT_EQ(quoted("abcdef", 3), "'abc...'");
  EXPECT_EQ(quoted("ab\xc3\xa9", 3), "'ab...'");
  EXPECT_EQ(quoted("\x80\x80\x80", 2), "'...'");
  EXPECT_EQ(escapeControls("a\tb\nc\r"), "a\tb\nc\\x0d");
}

//===-- Arithmetic and bytes ----------------------------------------------===//

TEST(CheckedMath, Overflow) {
  constexpr uint64_t Max = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(checkedAdd(Max, 0), Max);
  EXPECT_EQ(checkedAdd(Max, 1), std::nullopt);
  EXPECT_EQ(checkedMul(Max / 2, 2), Max - 1);
  EXPECT_EQ(checkedMul(Max / 2, 3), std::nullopt);
  EXPECT_EQ(checkedMul(std::numeric_limits<int64_t>::min(), -1), std::nullopt);
  EXPECT_EQ(checkedAlign<uint64_t>(33, 32), 64u);
  EXPECT_EQ(checkedAlign<uint64_t>(64, 32), 64u);
  EXPECT_EQ(checkedAlign<uint64_t>(Max, 32), std::nullopt);
  EXPECT_EQ(checkedAlign<uint64_t>(1, 0), std::nullopt);
  EXPECT_EQ(checkedAlign<uint64_t>(1, 3), std::nullopt);
  EXPECT_EQ(narrow<int32_t>(uint64_t(1) << 31), std::nullopt);
  EXPECT_EQ(narrow<uint8_t>(-1), std::nullopt);
  EXPECT_EQ(narrow<uint8_t>(255), 255);
}

TEST(ByteCursor, NeverPassesTheEnd) {
  const uint8_t Raw[] = {1, 2, 3, 4, 5};
  ByteCursor Cursor(Raw);
  uint32_t Word = 0;
  EXPECT_TRUE(Cursor.read(Word));
  EXPECT_EQ(Word, 0x04030201u);
  EXPECT_FALSE(Cursor.read(Word));
  std::span<const uint8_t> Rest;
  EXPECT_FALSE(Cursor.take(std::numeric_limits<uint64_t>::max(), Rest));
  EXPECT_TRUE(Cursor.take(1, Rest));
  EXPECT_EQ(Rest[0], 5);
  EXPECT_EQ(Cursor.remaining(), 0u);
}

//===-- Files -------------------------------------------------------------===//

class Files : public testing::Test {
protected:
  void SetUp() override {
    std::string Template = fs::temp_directory_path() / "lathe-test-XXXXXX";
    ASSERT_TRUE(mkdtemp(Template.data()));
    Folder = Template;
  }
  void TearDown() override { fs::remove_all(Folder); }

  std::string path(const char *Name) const { return Folder / Name; }

  static void put(const std::string &Path, const std::string &Text) {
    std::ofstream(Path, std::ios::binary) << Text;
  }
  static std::string get(const std::string &Path) {
    std::ifstream File(Path, std::ios::binary);
    return {std::istreambuf_iterator<char>(File), {}};
  }
  size_t fileCount() const {
    return std::distance(fs::directory_iterator(Folder), fs::directory_iterator());
  }

  static unsigned mapError(const std::string &Path) {
    Diagnostics Diags;
    EXPECT_EQ(MappedFile::open(Path, Diags), nullptr);
    return Diags.all().size() == 1 ? Diags.all()[0].Number : 0;
  }

  fs::path Folder;
};

TEST_F(Files, MapsARegularFile) {
  put(path("f"), "content");
  Diagnostics Diags;
  std::unique_ptr<MappedFile> File = MappedFile::open(path("f"), Diags);
  ASSERT_TRUE(File) << Diags.str();
  EXPECT_EQ(std::string(File->bytes().begin(), File->bytes().end()), "content");
  EXPECT_EQ(File->path(), path("f"));
}

TEST_F(Files, RefusesToMapAnythingElse) {
  put(path("empty"), "");
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(mapError(path("missing")), 201u);
  EXPECT_EQ(mapError(path("empty/below")), 201u);
  EXPECT_EQ(mapError(Folder), 202u);
  EXPECT_EQ(mapError(path("pipe")), 202u);
  EXPECT_EQ(mapError("/dev/null"), 202u);
  EXPECT_EQ(mapError(path("empty")), 204u);
}

TEST_F(Files, TellsThatAFileMayNotBeRead) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may read everything";
  put(path("secret"), "x");
  chmod(path("secret").c_str(), 0);
  EXPECT_EQ(mapError(path("secret")), 203u);
}

using FilesDeathTest = Files;

TEST_F(FilesDeathTest, TruncationOfAMappedFileIsToldWithItsNumber) {
  put(path("f"), std::string(100000, 'x'));
  auto Truncate = [&] {
    Diagnostics Diags;
    std::unique_ptr<MappedFile> File = MappedFile::open(path("f"), Diags);
    std::unique_ptr<AtomicFile> Output = AtomicFile::create(path("out"), Diags);
    fs::resize_file(path("f"), 0);
    volatile uint8_t Byte = File->bytes()[50000];
    (void)Byte;
  };
  EXPECT_EXIT(Truncate(), testing::ExitedWithCode(5), "error\\[E0206\\]: .*/f: .*truncated");
  EXPECT_EQ(fileCount(), 1u) << "the temporary file is still there";
}

TEST_F(FilesDeathTest, OtherBusErrorsKeepTheirMeaning) {
  put(path("f"), "x");
  auto Raise = [&] {
    signal(SIGBUS, SIG_DFL);
    Diagnostics Diags;
    std::unique_ptr<MappedFile> File = MappedFile::open(path("f"), Diags);
    raise(SIGBUS);
    _exit(0);
  };
  EXPECT_EXIT(Raise(), testing::KilledBySignal(SIGBUS), "");
}

TEST_F(Files, AtomicFileReplacesAtCommit) {
  put(path("f"), "old");
  Diagnostics Diags;
  std::unique_ptr<AtomicFile> File = AtomicFile::create(path("f"), Diags);
  ASSERT_TRUE(File) << Diags.str();
  EXPECT_TRUE(File->write("new", Diags));
  EXPECT_EQ(get(path("f")), "old");
  EXPECT_EQ(get(File->temporaryPath()), "new");
  EXPECT_TRUE(File->commit(Diags)) << Diags.str();
  EXPECT_EQ(get(path("f")), "new");
  File.reset();
  EXPECT_EQ(get(path("f")), "new");
  EXPECT_EQ(fileCount(), 1u);
}

TEST_F(Files, AtomicFileLeavesNothingWithoutCommit) {
  Diagnostics Diags;
  std::unique_ptr<AtomicFile> File = AtomicFile::create(path("f"), Diags);
  ASSERT_TRUE(File->write("new", Diags));
  File.reset();
  EXPECT_EQ(fileCount(), 0u);
}

TEST_F(Files, AtomicFileTakesWhatALinkerPutInItsPlace) {
  Diagnostics Diags;
  std::unique_ptr<AtomicFile> File = AtomicFile::create(path("f"), Diags);
  put(path("linked"), "linked");
  fs::rename(path("linked"), File->temporaryPath());
  EXPECT_TRUE(File->commit(Diags)) << Diags.str();
  EXPECT_EQ(get(path("f")), "linked");
}

TEST_F(Files, AtomicFileRefusesBadPlaces) {
  auto NumberOf = [](const std::string &Path) {
    Diagnostics Diags;
    EXPECT_EQ(AtomicFile::create(Path, Diags), nullptr);
    return Diags.all().size() == 1 ? Diags.all()[0].Number : 0;
  };
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(NumberOf(path("missing/f")), 211u);
  EXPECT_EQ(NumberOf(Folder), 214u);
  EXPECT_EQ(NumberOf(path("pipe")), 214u);
  EXPECT_EQ(NumberOf("/dev/null"), 214u);
}

TEST_F(FilesDeathTest, AFullDiskIsToldAndNothingIsLeft) {
  // A limit on the size of files stands for the full disk.
  auto WriteMuch = [&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit Limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &Limit);
    Diagnostics Diags;
    std::unique_ptr<AtomicFile> File = AtomicFile::create(path("f"), Diags);
    bool Written = File->write(std::string(10000, 'x'), Diags);
    bool Again = File->write("x", Diags);
    bool Committed = File->commit(Diags);
    File.reset();
    bool AsExpected =
        !Written && !Again && !Committed && Diags.errorCount() == 1 && Diags.all()[0].Number == 212;
    _exit(AsExpected ? static_cast<int>(Diags.exitCode()) : 99);
  };
  EXPECT_EXIT(WriteMuch(), testing::ExitedWithCode(5), "");
  EXPECT_EQ(fileCount(), 0u);
}

} // namespace
