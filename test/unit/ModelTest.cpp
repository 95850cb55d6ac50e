//===- ModelTest.cpp - Loading with a compiler and a cache ----------------===//

#include "runtime/session/Model.h"

#include "GGUFBuilder.h"
#include "fake/FakeProgram.h"
#include "fake/TemporaryFolder.h"
#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/Generator.h"

#include <sys/stat.h>

#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

class ModelTest : public testing::Test {
protected:
  void SetUp() override {
    setenv("LATHE_COMPILER", FAKE_COMPILER_PATH, 1);
    setenv("LATHE_CACHE", Folder.path("cache").c_str(), 1);
    std::vector<uint8_t> Bytes =
        GGUFBuilder().tensor({"output_norm.weight", {FakeVocabulary}, 0, 64}).build();
    writeFile(Path, std::string(Bytes.begin(), Bytes.end()));
  }
  std::unique_ptr<Model> load() { return Model::load(GGUFFile::open(Path, Diags), Options, Diags); }

  TemporaryFolder Folder;
  std::string Path = Folder.path("model.gguf");
  ModelOptions Options = {.Threads = 2};
  Diagnostics Diags;
};

// First, as a compiler that was opened stays open.
TEST_F(ModelTest, MissingCompilerIsTold) {
  setenv("LATHE_COMPILER", Folder.path("none.so").c_str(), 1);
  EXPECT_FALSE(load());
  ASSERT_EQ(Diags.errorCount(), 1u) << Diags.str();
  EXPECT_EQ(Diags.all()[0].Number, 610u);
}

TEST_F(ModelTest, OtherLibraryIsNoCompiler) {
  setenv("LATHE_COMPILER", FAKE_PROGRAM_PATH, 1);
  EXPECT_FALSE(load());
  EXPECT_EQ(Diags.all()[0].Number, 611u) << Diags.str();
  EXPECT_EQ(Diags.exitCode(), ExitCode::VersionMismatch);
}

TEST_F(ModelTest, CompilerThatAnyUserMayWriteIsRefused) {
  writeFile(Folder.path("open.so"), readFile(FAKE_COMPILER_PATH));
  ASSERT_EQ(chmod(Folder.path("open.so").c_str(), 0777), 0);
  setenv("LATHE_COMPILER", Folder.path("open.so").c_str(), 1);
  EXPECT_FALSE(load());
  EXPECT_EQ(Diags.all()[0].Number, 610u) << Diags.str();
}

TEST_F(ModelTest, CompilesThenFindsInTheCache) {
  for (bool Hit : {false, true, true}) {
    std::unique_ptr<Model> Loaded = load();
    ASSERT_TRUE(Loaded) << Diags.str();
    EXPECT_EQ(Loaded->report().CacheHit, Hit);
    EXPECT_EQ(Loaded->report().CompileMilliseconds == 0, Hit);
    std::unique_ptr<Session> Run = Loaded->createSession({}, Diags);
    ASSERT_TRUE(Run) << Diags.str();
    Generator Generate(*Run, nullptr);
    auto Result = Generate.generate(std::vector<int32_t>{1, 2}, {.MaxTokens = 3}, nullptr, Diags);
    ASSERT_TRUE(Result) << Diags.str();
    EXPECT_EQ(Result->Tokens, (std::vector<int32_t>{3, 6, 12}));
  }
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
}

TEST_F(ModelTest, OtherOptionsAreOtherPrograms) {
  ASSERT_TRUE(load()) << Diags.str();
  Options.Precision = "f32";
  std::unique_ptr<Model> Loaded = load();
  ASSERT_TRUE(Loaded) << Diags.str();
  EXPECT_FALSE(Loaded->report().CacheHit);
}

TEST_F(ModelTest, CacheCanBeLeftOut) {
  Options.UseCache = false;
  for (int I = 0; I < 2; ++I) {
    std::unique_ptr<Model> Loaded = load();
    ASSERT_TRUE(Loaded) << Diags.str();
    EXPECT_FALSE(Loaded->report().CacheHit);
  }
  EXPECT_FALSE(std::filesystem::exists(Folder.path("cache")));
}

TEST_F(ModelTest, FailingCacheFailsNoRun) {
  writeFile(Folder.path("cache"), "a file");
  EXPECT_TRUE(load());
  EXPECT_FALSE(Diags.hasErrors()) << Diags.str();
  Diags = {};
  setenv("LATHE_CACHE", Folder.path("cache2").c_str(), 1);
  Options.Target = "unwritable";
  EXPECT_TRUE(load());
  EXPECT_FALSE(Diags.hasErrors());
  ASSERT_EQ(Diags.all().size(), 1u) << Diags.str();
  EXPECT_EQ(Diags.all()[0].Number, 622u);
}

TEST_F(ModelTest, CompilerErrorsArePassedOn) {
  Options.Target = "bad";
  EXPECT_FALSE(load());
  EXPECT_EQ(Diags.str(), "error[E0604]: model: a thing, expected: another\n  hint: change it\n"
                         "warning[E0621]: and this\nin two lines\n");
  EXPECT_EQ(Diags.exitCode(), ExitCode::Unsupported);
}

TEST_F(ModelTest, SilentFailureIsTold) {
  Options.Target = "silent";
  EXPECT_FALSE(load());
  EXPECT_EQ(Diags.all()[0].Number, 612u) << Diags.str();
}

TEST_F(ModelTest, MissingModelIsTold) {
  Path = Folder.path("none.gguf");
  EXPECT_FALSE(load());
  EXPECT_TRUE(Diags.hasErrors());
}

TEST_F(ModelTest, ResultsGiveTheirOutput) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  ASSERT_TRUE(Compiler) << Diags.str();
  EXPECT_EQ(Compiler->version(), "fake");
  std::shared_ptr<CompileResult> Result = Compiler->compile({.Input = "x", .Target = "t"}, Diags);
  ASSERT_TRUE(Result) << Diags.str();
  EXPECT_EQ(Result->output().size(), 1u);
}

TEST(PrintedDiagnostics, KeepTheirForm) {
  Diagnostics Original, Copy;
  Original.error(301, "a: b", "c: d\ne", "f");
  Original.warning(621, "", "g", "h\ni");
  Original.error(0, "", "", "");
  appendPrintedDiagnostics(Original.str(), Copy);
  EXPECT_EQ(Copy.str(), Original.str());
  EXPECT_EQ(Copy.errorCount(), 2u);
  EXPECT_EQ(Copy.all()[1].Level, Severity::Warning);
}

TEST(PrintedDiagnostics, TakeAnyText) {
  for (const char *Text : {"", "\n", "error[E", "error[E12]: x", "error[E12345]: x",
                           "error[E1a34]: x", "  hint: x", "warning[E0621]"}) {
    Diagnostics Copy;
    appendPrintedDiagnostics(Text, Copy);
    EXPECT_FALSE(Copy.hasErrors()) << Text;
  }
}

} // namespace
