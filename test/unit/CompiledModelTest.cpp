//===- CompiledModelTest.cpp - Packaging, loading and letting go ----------===//

#include "runtime/session/CompiledModel.h"

#include "GGUFBuilder.h"
#include "fake/FakeProgram.h"
#include "fake/TemporaryFolder.h"
#include "runtime/session/Generator.h"
#include "runtime/session/Model.h"
#include "runtime/session/Packaging.h"

#include <malloc.h>
#include <sstream>

#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

class CompiledModelTest : public testing::Test {
protected:
  void SetUp() override {
    setenv("LATHE_COMPILER", FAKE_COMPILER_PATH, 1);
    setenv("LATHE_CACHE", Folder.path("cache").c_str(), 1);
    writeModel("model.gguf", FakeVocabulary);
  }

  void writeModel(const std::string &Name, uint64_t Elements) {
    std::vector<uint8_t> Bytes =
        GGUFBuilder().tensor({"output_norm.weight", {Elements}, 0, Elements * 4}).build();
    writeFile(Folder.path(Name), std::string(Bytes.begin(), Bytes.end()));
  }

  /// Packages the model into model.lathe.
  std::string package(bool Embed, std::vector<std::string> Targets = {"host"}) {
    PackageOptions Options;
    Options.Compile.Input = Folder.path("model.gguf");
    Options.Targets = std::move(Targets);
    Options.EmbedWeights = Embed;
    Options.ScratchPath = Folder.path("model.lathe");
    std::optional<Package> Made = Package::create(Options, Diags);
    std::string Content;
    if (Made)
      writeArtefact(Made->sections(), [&](std::span<const uint8_t> Piece) {
        Content.append(reinterpret_cast<const char *>(Piece.data()), Piece.size());
        return true;
      });
    writeFile(Folder.path("model.lathe"), Content);
    return Content;
  }

  std::unique_ptr<Model> load(const std::string &Weights = {}) {
    ModelInput Input = openModelInput(Folder.path("model.lathe"), Weights, Diags);
    ModelOptions Options = {.Compiled = Input.Compiled, .Threads = 2};
    return Input.File ? Model::load(std::move(Input.File), Options, Diags) : nullptr;
  }

  void expectRuns(const Model &Loaded) {
    std::unique_ptr<Session> Run = Loaded.createSession({}, Diags);
    ASSERT_TRUE(Run) << Diags.str();
    Generator Generate(*Run, nullptr);
    auto Result = Generate.generate(std::vector<int32_t>{1, 2}, {.MaxTokens = 3}, nullptr, Diags);
    ASSERT_TRUE(Result) << Diags.str();
    EXPECT_EQ(Result->Tokens, (std::vector<int32_t>{3, 6, 12}));
  }

  unsigned firstError() const { return Diags.hasErrors() ? Diags.all()[0].Number : 0; }

  TemporaryFolder Folder;
  Diagnostics Diags;
};

std::vector<std::string> linesOf(const char *Path) {
  std::vector<std::string> Lines;
  std::ifstream File(Path);
  for (std::string Line; std::getline(File, Line);)
    Lines.push_back(Line);
  return Lines;
}

TEST_F(CompiledModelTest, RunsWithoutTheCompiler) {
  for (bool Embed : {false, true}) {
    ASSERT_FALSE(package(Embed).empty()) << Diags.str();
    if (Embed)
      std::filesystem::remove(Folder.path("model.gguf"));
    std::unique_ptr<Model> Loaded = load();
    ASSERT_TRUE(Loaded) << Diags.str();
    EXPECT_TRUE(Loaded->report().CompiledAhead);
    expectRuns(*Loaded);
  }
  // Weights may be kept there, programs are not.
  for (const auto &Each : std::filesystem::directory_iterator(Folder.path("cache")))
    EXPECT_EQ(Each.path().filename(), "weights");
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
}

TEST_F(CompiledModelTest, EmbeddedWeightsAreMappedAndNotCopied) {
  package(true);
  std::unique_ptr<Model> Loaded = load();
  ASSERT_TRUE(Loaded) << Diags.str();
  auto Address = reinterpret_cast<uintptr_t>(Loaded->weights().table()[0]);
  EXPECT_EQ(Address % 64, 0u);
  bool InFile = false;
  for (const std::string &Line : linesOf("/proc/self/maps")) {
    uintptr_t First = 0, Last = 0;
    sscanf(Line.c_str(), "%lx-%lx", &First, &Last);
    if (First <= Address && Address < Last)
      InFile = Line.ends_with("/model.lathe") && Line.find(" r--s ") != std::string::npos;
  }
  EXPECT_TRUE(InFile);
}

TEST_F(CompiledModelTest, NoPageIsWritableAndExecutable) {
  package(true);
  std::unique_ptr<Model> Loaded = load();
  ASSERT_TRUE(Loaded) << Diags.str();
  expectRuns(*Loaded);
  bool SawCode = false;
  for (const std::string &Line : linesOf("/proc/self/maps")) {
    std::string Permissions = Line.substr(Line.find(' ') + 1, 4);
    EXPECT_FALSE(Permissions[1] == 'w' && Permissions[2] == 'x') << Line;
    SawCode |= Permissions[2] == 'x' && Line.find("memfd:lathe-code") != std::string::npos;
  }
  EXPECT_TRUE(SawCode);
}

/// Two copies at once, as their names for the loader must not be mixed up.
TEST_F(CompiledModelTest, TwoModelsLiveSideBySide) {
  package(true);
  std::unique_ptr<Model> First = load(), Second = load();
  ASSERT_TRUE(First && Second) << Diags.str();
  EXPECT_NE(First->program().entry(0), Second->program().entry(0));
  First.reset();
  expectRuns(*Second);
}

TEST_F(CompiledModelTest, HundredLoadsLeaveNothingBehind) {
  package(true);
  auto Cycle = [&] {
    std::unique_ptr<Model> Loaded = load();
    ASSERT_TRUE(Loaded) << Diags.str();
    expectRuns(*Loaded);
  };
  auto CountFiles = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  // The first ones fill what is kept on purpose.
  for (int I = 0; I < 5; ++I)
    Cycle();
  auto Files = CountFiles();
  size_t Maps = linesOf("/proc/self/maps").size(), Heap = mallinfo2().uordblks;
  for (int I = 0; I < 100; ++I)
    Cycle();
  EXPECT_EQ(CountFiles(), Files);
  EXPECT_LE(linesOf("/proc/self/maps").size(), Maps + 2) << "malloc may add a heap";
  EXPECT_LE(mallinfo2().uordblks, Heap + 4096);
}

TEST_F(CompiledModelTest, SameInputGivesSameBytes) {
  std::string First = package(true);
  setenv("TZ", "Pacific/Kiritimati", 1);
  EXPECT_EQ(package(true), First);
  unsetenv("TZ");
  EXPECT_NE(package(false), First);
}

TEST_F(CompiledModelTest, TargetsThatAreTheSameAreKeptOnce) {
  package(false, {"host", "x86-64"});
  std::unique_ptr<Model> Loaded = load();
  ASSERT_TRUE(Loaded) << Diags.str();
  ModelInput Input = openModelInput(Folder.path("model.lathe"), "", Diags);
  EXPECT_EQ(Input.Compiled->targets().size(), 1u);
}

TEST_F(CompiledModelTest, OtherTargetOrPrecisionIsTold) {
  package(false);
  std::shared_ptr<const CompiledModel> Made =
      openModelInput(Folder.path("model.lathe"), "", Diags).Compiled;
  ASSERT_TRUE(Made) << Diags.str();
  EXPECT_EQ(Made->choose("host", "auto", Diags), 0u);
  EXPECT_EQ(Made->choose("x86-64", "auto", Diags), 0u);
  EXPECT_FALSE(Made->choose("x86-64-v9", "auto", Diags));
  EXPECT_FALSE(Made->choose("host", "f32", Diags));
  ASSERT_EQ(Diags.errorCount(), 2u);
  EXPECT_EQ(Diags.all()[0].Number, 648u);
  EXPECT_EQ(Diags.all()[1].Number, 648u);
}

/// A manifest of a program for `Target` that needs `Features`, in JSON.
std::string manifestText(std::string Target, std::string Features) {
  return R"({"abi": )" + std::to_string(LATHE_ABI_VERSION) + R"(, "compiler": "x", "target": ")" +
         Target + R"(", "features": [)" + Features + R"(], "precision": "auto",
    "model": {"architecture": "x", "vocabulary": 16, "embedding": 4, "layers": 1, "context": 300},
    "entries": [{"name": "decode", "max_rows": 1, "arena_bytes": 64, "scratch_bytes": 64}],
    "weights": [], "kv": {"bytes_per_position": 8}})";
}

/// CPUs of several ages; what the operating system does not save is not there.
TEST(CompiledTargets, TheBestThatTheCPUHasIsChosen) {
  std::string Oldest = manifestText("old", R"("avx", "avx2")");
  std::string Newest = manifestText("new", R"("avx", "avx2", "avx512f", "avx512vnni")");
  std::string Middle = manifestText("middle", R"("avx", "avx2", "avx512f")");
  std::string About = R"({"model": {"bytes": 64, "header_hash": ""}})";
  auto Bytes = [](std::string_view Text) {
    return std::span(reinterpret_cast<const uint8_t *>(Text.data()), Text.size());
  };
  std::vector<NewSection> Sections = {
      {SectionKind::About, 0, Bytes(About)},     {SectionKind::ModelPath, 0, Bytes("model.gguf")},
      {SectionKind::Manifest, 0, Bytes(Oldest)}, {SectionKind::Code, 0, Bytes("0")},
      {SectionKind::Manifest, 1, Bytes(Newest)}, {SectionKind::Code, 1, Bytes("1")},
      {SectionKind::Manifest, 2, Bytes(Middle)}, {SectionKind::Code, 2, Bytes("2")}};
  std::vector<uint8_t> File;
  writeArtefact(Sections, [&](std::span<const uint8_t> Piece) {
    File.insert(File.end(), Piece.begin(), Piece.end());
    return true;
  });
  Diagnostics Diags;
  std::shared_ptr<const CompiledModel> Made = CompiledModel::parse(File, "x.lathe", Diags);
  ASSERT_TRUE(Made) << Diags.str();
  auto On = [&](HasFeature Has) { return Made->choose("host", "auto", Diags, Has); };
  EXPECT_EQ(On([](std::string_view) { return true; }), 1u);
  EXPECT_EQ(On([](std::string_view Name) { return Name != "avx512vnni"; }), 2u);
  EXPECT_EQ(On([](std::string_view Name) { return !Name.starts_with("avx512"); }), 0u);
  // Vectors that are not saved take what stands on them along.
  EXPECT_EQ(On([](std::string_view Name) { return Name != "avx512f"; }), 0u);
  EXPECT_TRUE(Diags.all().empty()) << Diags.str();
  EXPECT_FALSE(On([](std::string_view Name) { return Name == "avx"; }));
  ASSERT_EQ(Diags.errorCount(), 1u);
  EXPECT_EQ(Diags.all()[0].Number, 604u);
  EXPECT_EQ(Diags.exitCode(), ExitCode::Unsupported);
  EXPECT_NE(Diags.all()[0].Message.find("old with avx2; new with avx2, avx512f, avx512vnni; "
                                        "middle with avx2, avx512f"),
            std::string::npos)
      << Diags.str();
}

TEST_F(CompiledModelTest, MissingWeightsAreTold) {
  package(false);
  std::filesystem::rename(Folder.path("model.gguf"), Folder.path("other.gguf"));
  EXPECT_FALSE(load());
  EXPECT_EQ(firstError(), 646u) << Diags.str();
  Diags = {};
  std::unique_ptr<Model> Loaded = load(Folder.path("other.gguf"));
  ASSERT_TRUE(Loaded) << Diags.str();
  expectRuns(*Loaded);
}

/// Artefact and model file moved together.
TEST_F(CompiledModelTest, WeightsBesideTheArtefactAreFound) {
  package(false);
  std::filesystem::create_directory(Folder.path("new"));
  for (std::string Name : {"model.gguf", "model.lathe"})
    std::filesystem::rename(Folder.path(Name), Folder.path("new/" + Name));
  ModelInput Input = openModelInput(Folder.path("new/model.lathe"), "", Diags);
  EXPECT_TRUE(Input.File) << Diags.str();
}

TEST_F(CompiledModelTest, OtherModelFileIsTold) {
  package(false);
  writeModel("model.gguf", 32);
  EXPECT_FALSE(load());
  EXPECT_EQ(firstError(), 647u) << Diags.str();
  EXPECT_EQ(Diags.exitCode(), ExitCode::VersionMismatch);
}

TEST_F(CompiledModelTest, WeightsFlagNeedsAnArtefactWithoutThem) {
  package(true);
  EXPECT_FALSE(load(Folder.path("model.gguf")));
  EXPECT_EQ(firstError(), 111u) << Diags.str();
  Diags = {};
  EXPECT_FALSE(openModelInput(Folder.path("model.gguf"), Folder.path("model.gguf"), Diags).File);
  EXPECT_EQ(firstError(), 111u) << Diags.str();
}

/// One byte of every section, and every section gone.
TEST_F(CompiledModelTest, DamageIsToldBeforeItIsUsed) {
  std::string Whole = package(true);
  std::span<const uint8_t> Bytes(reinterpret_cast<const uint8_t *>(Whole.data()), Whole.size());
  std::optional<Artefact> Parsed = Artefact::parse(Bytes, "x", Diags);
  ASSERT_TRUE(Parsed);
  for (const ArtefactSection &Each : Parsed->sections()) {
    std::string Bent = Whole;
    Bent[static_cast<size_t>(Each.Bytes.data() - Bytes.data()) + Each.Bytes.size() / 2] ^= 1;
    writeFile(Folder.path("model.lathe"), Bent);
    Diags = {};
    EXPECT_FALSE(load());
    EXPECT_EQ(firstError(), 644u) << sectionName(Each.Kind, Each.Target) << "\n" << Diags.str();
    std::vector<NewSection> Others;
    for (const ArtefactSection &Other : Parsed->sections())
      if (&Other != &Each)
        Others.push_back({Other.Kind, Other.Target, Other.Bytes});
    std::string Less;
    writeArtefact(Others, [&](std::span<const uint8_t> Piece) {
      Less.append(reinterpret_cast<const char *>(Piece.data()), Piece.size());
      return true;
    });
    writeFile(Folder.path("model.lathe"), Less);
    Diags = {};
    EXPECT_FALSE(load());
    EXPECT_EQ(firstError(), 645u) << sectionName(Each.Kind, Each.Target) << "\n" << Diags.str();
  }
}

TEST_F(CompiledModelTest, NonFiniteWeightsAreNotEmbedded) {
  std::string Content = readFile(Folder.path("model.gguf"));
  Content.replace(Content.size() - 4, 4, std::string("\0\0\x80\x7f", 4));
  writeFile(Folder.path("model.gguf"), Content);
  EXPECT_TRUE(package(true).empty());
  EXPECT_EQ(firstError(), 325u) << Diags.str();
}

} // namespace
