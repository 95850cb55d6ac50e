//===- SessionTest.cpp - Running steps of a program -----------------------===//

#include "runtime/session/Session.h"

#include "FakeSession.h"
#include "runtime/session/Generator.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

class SessionTest : public test::FakeSessionTest {
protected:
  /// Rows of `Tokens` that continue `Sequence`; all want logits.
  std::vector<Row> rows(std::vector<int32_t> Tokens, int32_t Sequence = 0) {
    std::vector<Row> Result;
    int32_t Position = static_cast<int32_t>(Run->length(Sequence));
    for (int32_t Token : Tokens)
      Result.push_back({Token, Position++, Sequence, true});
    return Result;
  }

  /// The most likely token of every row that wants logits.
  std::vector<int32_t> step(const std::vector<Row> &Rows) {
    size_t Wanted =
        std::count_if(Rows.begin(), Rows.end(), [](const Row &Each) { return Each.WantsLogits; });
    std::vector<float> Logits(Wanted * FakeVocabulary, -1);
    if (!Run->step(Rows, Logits.data(), Diags))
      return {};
    std::vector<int32_t> Best;
    for (auto First = Logits.begin(); First != Logits.end(); First += FakeVocabulary)
      Best.push_back(std::max_element(First, First + FakeVocabulary) - First);
    return Best;
  }

  void expectError(unsigned Number, const std::string &Message) {
    ASSERT_TRUE(Diags.hasErrors());
    EXPECT_EQ(Diags.all()[0].Number, Number);
    EXPECT_NE(Diags.str().find(Message), std::string::npos) << Diags.str();
    Diags = {};
  }
};

using Ints = std::vector<int32_t>;

TEST_F(SessionTest, RoundsCapacityAndReportsMemory) {
  start({.Sequences = 3}, 2);
  EXPECT_EQ(Run->capacity(), 512); // The manifest's context of 300, rounded up.
  MemoryReport Memory = Run->memory();
  EXPECT_EQ(Memory.Weights, sizeof(Weight));
  EXPECT_EQ(Memory.KV, 3u * 4096);
  EXPECT_EQ(Memory.Arena, 256u);
  EXPECT_EQ(Memory.Scratch, 2u * 128);
  start({.Capacity = 256});
  EXPECT_EQ(Run->capacity(), 256);
}

TEST_F(SessionTest, SameResultsHoweverItIsCut) {
  const Ints Tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  const Ints Sums = {3, 4, 8, 9, 14, 7, 9, 15, 4, 7, 12};
  for (unsigned NumWorkers : {1, 2, 3, 8})
    for (int64_t Chunk : {0, 1, 2, 3, 4, 100}) {
      start({.PrefillChunk = Chunk}, NumWorkers);
      EXPECT_EQ(step(rows(Tokens)), Sums) << NumWorkers << " workers, chunks of " << Chunk;
      EXPECT_EQ(Run->length(0), 11);
    }
}

TEST_F(SessionTest, OnlyWantedLogitsAreWritten) {
  start({});
  std::vector<Row> Rows = rows({1, 2, 3, 4, 5, 6});
  for (size_t I : {0, 1, 3, 4})
    Rows[I].WantsLogits = false;
  EXPECT_EQ(step(Rows), (Ints{6, 5}));
  Rows = rows({7});
  Rows[0].WantsLogits = false;
  EXPECT_TRUE(Run->step(Rows, nullptr, Diags));
  EXPECT_EQ(step(rows({1})), (Ints{13}));
}

TEST_F(SessionTest, SequencesAreIndependent) {
  start({.Sequences = 2});
  std::vector<Row> Rows = {{1, 0, 0, true}, {5, 0, 1, true}, {2, 1, 0, true},
                           {6, 1, 1, true}, {3, 2, 0, true}, {7, 2, 1, true}};
  EXPECT_EQ(step(Rows), (Ints{1, 5, 3, 11, 6, 2}));
  EXPECT_EQ(Run->length(0), 3);
  EXPECT_EQ(Run->length(1), 3);
}

TEST_F(SessionTest, TruncateGoesBack) {
  start({.Sequences = 2});
  step(rows({1, 2, 3}));
  step(rows({4}, 1));
  Run->truncate(0, 5);
  EXPECT_EQ(Run->length(0), 3);
  Run->truncate(0, 1);
  EXPECT_EQ(step(rows({8})), (Ints{9}));
  Run->truncate(0, 0);
  EXPECT_EQ(step(rows({2})), (Ints{2}));
  EXPECT_EQ(step(rows({4}, 1)), (Ints{8}));
}

TEST_F(SessionTest, ChecksRowsBeforeRunningAny) {
  start({.Capacity = 256});
  EXPECT_TRUE(step({{1, 0, 0, true}, {16, 1, 0, true}}).empty());
  expectError(801, "row 1: found token 16, expected 0 to 15");
  EXPECT_TRUE(step({{-1, 0, 0, true}}).empty());
  expectError(801, "found token -1");
  EXPECT_TRUE(step({{1, 1, 0, true}}).empty());
  expectError(802, "found position 1 in sequence 0, expected 0");
  EXPECT_TRUE(step({{1, 256, 0, true}}).empty());
  expectError(802, "found position 256, expected 0 to 255");
  EXPECT_TRUE(step({{1, -1, 0, true}}).empty());
  expectError(802, "found position -1");
  EXPECT_TRUE(step({{1, 0, 1, true}}).empty());
  expectError(803, "found sequence 1, expected 0 to 0");
  EXPECT_FALSE(Run->step(rows({1}), nullptr, Diags));
  expectError(804, "wants logits");
  EXPECT_EQ(Run->length(0), 0);
}

TEST_F(SessionTest, TellsAllBadRows) {
  start({});
  EXPECT_TRUE(step({{99, 0, 0, true}, {1, 7, 0, true}, {1, 0, 9, true}}).empty());
  EXPECT_EQ(Diags.errorCount(), 3u);
}

TEST_F(SessionTest, FailingEntryIsAnError) {
  start({.PrefillChunk = 2}, 3);
  EXPECT_TRUE(step(rows({1, 2, 3, FakeFailingToken})).empty());
  EXPECT_EQ(Run->length(0), 2);
  expectError(806, "entry 'prefill': returned status 7, expected 0");
  EXPECT_EQ(step(rows({1})), (Ints{4}));
}

TEST_F(SessionTest, ASequenceRunsItsLayers) {
  start({.Sequences = 2});
  auto Without = [&](std::string_view Skip) {
    return LayerMask::parse("", Skip, Code->manifest(), Diags);
  };
  ASSERT_TRUE(Run->setLayers(1, Without("1"), Diags)) << Diags.str();
  EXPECT_EQ(Run->layers(0).count(), 3);
  EXPECT_EQ(Run->layers(1).skippedText(), "1");
  // Neighbours that run other layers: layer 1 adds 4 to what is in sequence 1.
  std::vector<Row> Rows = {{1, 0, 0, true}, {1, 0, 1, true}, {2, 1, 1, true}, {2, 1, 0, true}};
  EXPECT_EQ(step(Rows), (Ints{1, 5, 7, 3}));
  // Equal layers, made apart, change nothing.
  EXPECT_TRUE(Run->setLayers(1, Without("1"), Diags));
  EXPECT_FALSE(Run->setLayers(1, Without("0,2"), Diags));
  expectError(842,
              "sequence 1: found 2 positions that were run without the layers 1, expected none");
  EXPECT_FALSE(Run->setLayers(0, Without("2"), Diags));
  expectError(842, "sequence 0: found 2 positions that were run with all layers");
  EXPECT_EQ(step(rows({1}, 1)), (Ints{8}));
  Run->truncate(1, 0);
  ASSERT_TRUE(Run->setLayers(1, Without("0,2"), Diags)) << Diags.str();
  EXPECT_EQ(step(rows({1}, 1)), (Ints{11}));
  Run->truncate(1, 0);
  ASSERT_TRUE(Run->setLayers(1, nullptr, Diags)) << Diags.str();
  EXPECT_EQ(step(rows({1}, 1)), (Ints{1}));
}

TEST_F(SessionTest, LayersOfASessionAndOfAGeneration) {
  start({});
  std::shared_ptr<const LayerMask> Short = LayerMask::parse("0-1", "", Code->manifest(), Diags);
  start({.Sequences = 2, .Layers = Short});
  EXPECT_EQ(step({{1, 0, 0, true}, {1, 0, 1, true}}), (Ints{9, 9}));
  Generator Generate(*Run, nullptr);
  GenerateOptions Options;
  Options.MaxTokens = 1;
  Options.Layers = LayerMask::parse("0", "", Code->manifest(), Diags);
  EXPECT_FALSE(Generate.generate(Ints{1}, Options, {}, Diags));
  expectError(842, "without the layers 2,");
  Run->truncate(0, 0);
  std::optional<GenerateResult> Result = Generate.generate(Ints{1}, Options, {}, Diags);
  ASSERT_TRUE(Result) << Diags.str();
  EXPECT_EQ(Result->Tokens, Ints{13});
}

TEST_F(SessionTest, ReadsListsOfLayers) {
  start({});
  Manifest Code = this->Code->manifest();
  Code.Model.Layers = 30;
  auto Skipped = [&](std::string_view Keep, std::string_view Skip) {
    std::shared_ptr<const LayerMask> Mask = LayerMask::parse(Keep, Skip, Code, Diags);
    return Mask ? Mask->skippedText() : "refused";
  };
  EXPECT_EQ(Skipped("", ""), "");
  EXPECT_EQ(Skipped("0-20,25", ""), "21-24,26-29");
  EXPECT_EQ(Skipped("", "17,14"), "14,17");
  EXPECT_EQ(Skipped("0-28", "3-5,5,29"), "3-5,29");
  for (const char *Bad : {"30", "-1", "5-3", "1,", ",1", "1-", "one", "1 2", "0-99", "1,,2", "0x1",
                          "99999999999999999999"}) {
    EXPECT_EQ(Skipped("", Bad), "refused") << Bad;
    expectError(840, "expected layers and ranges of layers from 0 to 29");
    EXPECT_EQ(Skipped(Bad, ""), "refused") << Bad;
    expectError(840, "expected layers and ranges of layers from 0 to 29");
  }
  EXPECT_EQ(Skipped("3", "0-5"), "refused");
  expectError(840, "found none that is left to run");
  Code.SkippedLayers = {14, 17};
  EXPECT_EQ(Skipped("", ""), "14,17");
  EXPECT_EQ(Skipped("", "17,18"), "14,17-18");
  EXPECT_EQ(Skipped("0-14", ""), "refused");
  expectError(841, "found layer 14, but the program was compiled without layers 14,17");
  Code.ChoosesLayers = false;
  EXPECT_EQ(Skipped("", "14"), "14,17");
  EXPECT_EQ(Skipped("", "3"), "refused");
  expectError(841, "found a program that always runs all of its layers");
}

TEST_F(SessionTest, ReadsWidths) {
  start({});
  Manifest Code = this->Code->manifest();
  auto Widths = [&](std::string_view Width) {
    std::shared_ptr<const LayerMask> Mask = LayerMask::parse("", "", Width, Code, Diags);
    return Mask ? Ints(Mask->widths(), Mask->widths() + Mask->layers()) : Ints();
  };
  EXPECT_EQ(Widths(""), (Ints{0, 0, 0}));
  EXPECT_EQ(Widths("1"), (Ints{0, 0, 0}));
  EXPECT_EQ(Widths("0.5"), Ints());
  expectError(818, "found a program that always computes all neurons");
  Code.Widths = {{160, 32, 96}, {0, 0, 0}, {1024, 256, 1024}};
  EXPECT_EQ(Widths(""), (Ints{96, 0, 1024}));
  EXPECT_EQ(Widths("1"), (Ints{160, 0, 1024}));
  // A share is rounded up to what each layer can compute.
  EXPECT_EQ(Widths("0.6"), (Ints{96, 0, 768}));
  EXPECT_EQ(Widths("0.7"), (Ints{128, 0, 768}));
  EXPECT_EQ(Widths("0.0001"), (Ints{32, 0, 256}));
  EXPECT_EQ(Widths("256"), Ints());
  expectError(818, "found 256, but layer 0 computes multiples of 32 neurons up to 160");
  Code.Widths[0] = {512, 32, 512};
  EXPECT_EQ(Widths("256"), (Ints{256, 0, 256}));
  EXPECT_EQ(Widths("32"), Ints());
  expectError(818, "found 32, but layer 2 computes multiples of 256 neurons up to 1024");
  for (const char *Bad : {"0", "-1", "1.5", "wide", "1 ", "nan", "inf", "0x10", "1e99"}) {
    EXPECT_EQ(Widths(Bad), Ints()) << Bad;
    expectError(818, "expected a share of the neurons up to 1, or a number of them");
  }
}

TEST_F(SessionTest, AWidthMayChangeWhereASequenceStands) {
  start({});
  Manifest Code = this->Code->manifest();
  Code.Widths = {{64, 32, 64}, {64, 32, 64}, {64, 32, 64}};
  EXPECT_EQ(step(rows({1})), (Ints{1}));
  auto Half = LayerMask::parse("", "", "0.5", Code, Diags);
  ASSERT_TRUE(Half && Run->setLayers(0, Half, Diags)) << Diags.str();
  EXPECT_EQ(Run->layers(0).neurons(), 96);
  EXPECT_FALSE(Run->setLayers(0, LayerMask::parse("", "1", "0.5", Code, Diags), Diags));
  expectError(842, "expected none, as other layers are asked for");
}

TEST_F(SessionTest, CancelEndsAStep) {
  std::atomic<bool> Cancel = true;
  start({.Cancel = &Cancel});
  EXPECT_TRUE(step(rows({1})).empty());
  EXPECT_EQ(Diags.exitCode(), ExitCode::Interrupted);
  expectError(807, "interrupted with 1 rows to go");
  Cancel = false;
  EXPECT_EQ(step(rows({1})), (Ints{1}));
}

TEST_F(SessionTest, RefusesBadOptions) {
  start({});
  SessionOptions Bad = {.Capacity = -1, .Sequences = 0, .PrefillChunk = -5};
  EXPECT_FALSE(Session::create(*Code, {}, *Workers, Bad, Diags));
  EXPECT_EQ(Diags.errorCount(), 3u);
  expectError(805, "session option 'capacity': found -1");
}

TEST_F(SessionTest, RefusesWhatDoesNotFitInMemory) {
  start({});
  std::string Text(lathe_manifest, lathe_manifest_size);
  Text.replace(Text.find("\"bytes_per_position\":8"), 22, "\"bytes_per_position\":4398046511104");
  int64_t Size = static_cast<int64_t>(Text.size());
  auto Find = [&](const char *Symbol) -> void * {
    std::string Name = Symbol;
    if (Name == "lathe_manifest")
      return Text.data();
    return Name == "lathe_manifest_size" ? &Size : findSymbol(Symbol);
  };
  std::shared_ptr<const Program> Huge = Program::create(Find, nullptr, "fake", Diags);
  ASSERT_TRUE(Huge) << Diags.str();
  SessionOptions Options = {.Capacity = int64_t(1) << 30, .Sequences = 4096};
  EXPECT_FALSE(Session::create(*Huge, {}, *Workers, Options, Diags));
  EXPECT_EQ(Diags.exitCode(), ExitCode::Resources);
  expectError(810, "KV cache: no memory for");
}

TEST_F(SessionTest, ProgramChoosesTheSmallestEntry) {
  start({});
  EXPECT_EQ(Code->manifest().Entries[Code->entryFor(1)].Name, "decode");
  EXPECT_EQ(Code->manifest().Entries[Code->entryFor(2)].Name, "prefill");
  EXPECT_EQ(Code->manifest().Entries[Code->entryFor(1000)].Name, "prefill");
}

TEST_F(SessionTest, ProgramTellsMissingSymbols) {
  auto Find = [](const char *Symbol) -> void * {
    return std::string(Symbol).starts_with("lathe_entry") ? nullptr : findSymbol(Symbol);
  };
  EXPECT_FALSE(Program::create(Find, nullptr, "fake", Diags));
  EXPECT_EQ(Diags.errorCount(), 2u);
  expectError(605, "exports no 'lathe_entry_decode'");
}

TEST_F(SessionTest, ProgramForAnotherCPUIsRefused) {
  std::string Text(lathe_manifest, lathe_manifest_size);
  Text.replace(Text.find("\"features\":[]"), 13, "\"features\":[\"avx99\",\"sse3\"]");
  int64_t Size = static_cast<int64_t>(Text.size());
  auto Find = [&](const char *Symbol) -> void * {
    return std::string(Symbol) == "lathe_manifest" ? static_cast<void *>(Text.data()) : &Size;
  };
  std::shared_ptr<const Program> Foreign = Program::create(Find, nullptr, "fake", Diags);
  ASSERT_TRUE(Foreign) << Diags.str();
  EXPECT_FALSE(Foreign->checkHost(Diags));
  EXPECT_EQ(Diags.exitCode(), ExitCode::Unsupported);
  EXPECT_EQ(Diags.errorCount(), 1u);
  expectError(604, "compiled for x86-64 with avx99, which this machine does not offer");
}

/// It has text for a driver in place of entries.
TEST_F(SessionTest, ProgramForAGPUIsRefused) {
  std::string Text(lathe_manifest, lathe_manifest_size);
  Text.replace(Text.find("\"features\":[]"), 13,
               "\"features\":[],\"launch\":{\"threads\":32,\"shared_bytes\":0}");
  int64_t Size = static_cast<int64_t>(Text.size());
  const char *Device = nullptr;
  auto Find = [&](const char *Symbol) -> void * {
    std::string Name = Symbol;
    if (Name == "lathe_device_code")
      return const_cast<char *>(Device);
    EXPECT_FALSE(Name.starts_with("lathe_entry"));
    return Name == "lathe_manifest" ? static_cast<void *>(Text.data()) : &Size;
  };
  EXPECT_FALSE(Program::create(Find, nullptr, "fake", Diags));
  expectError(605, "exports no 'lathe_device_code'");
  Device = "kernels";
  Diags = {};
  std::shared_ptr<const Program> Foreign = Program::create(Find, nullptr, "fake", Diags);
  ASSERT_TRUE(Foreign) << Diags.str();
  EXPECT_STREQ(Foreign->deviceCode(), "kernels");
  EXPECT_FALSE(Foreign->checkHost(Diags));
  expectError(604, "compiled for the GPU x86-64, expected code for this machine");
}

//===----------------------------------------------------------------------===//
// Generating, with prompts of tokens
//===----------------------------------------------------------------------===//

TEST_F(SessionTest, AppendContinuesASequence) {
  start({.Sequences = 2});
  std::vector<float> Logits(3 * FakeVocabulary, -1);
  ASSERT_TRUE(Run->append(1, Ints{1, 2}, LogitsOf::None, nullptr, Diags)) << Diags.str();
  ASSERT_TRUE(Run->append(1, Ints{3, 4, 5}, LogitsOf::All, Logits.data(), Diags)) << Diags.str();
  EXPECT_EQ(Run->length(1), 5);
  EXPECT_EQ(Run->length(0), 0);
  // The sums 6, 10 and 15 stand out in their rows.
  EXPECT_GT(Logits[6], 50);
  EXPECT_GT(Logits[FakeVocabulary + 10], 50);
  EXPECT_GT(Logits[2 * FakeVocabulary + 15], 50);
  ASSERT_TRUE(Run->append(1, Ints{1, 2}, LogitsOf::Last, Logits.data(), Diags)) << Diags.str();
  EXPECT_GT(Logits[18 % FakeVocabulary], 50);
  EXPECT_FALSE(Run->append(2, Ints{1}, LogitsOf::None, nullptr, Diags));
  expectError(803, "found sequence 2");
}

TEST_F(SessionTest, ChunksAreToldAndMayStop) {
  std::vector<std::pair<int64_t, int64_t>> Told;
  start({.PrefillChunk = 2, .OnChunk = [&](int64_t Done, int64_t Rows) {
           Told.emplace_back(Done, Rows);
           return Done < 4;
         }});
  EXPECT_FALSE(Run->append(0, Ints(7, 1), LogitsOf::None, nullptr, Diags));
  expectError(807, "interrupted with 3 rows to go");
  EXPECT_EQ(Told, (std::vector<std::pair<int64_t, int64_t>>{{0, 7}, {2, 7}, {4, 7}}));
  EXPECT_EQ(Run->length(0), 4);
}

TEST_F(SessionTest, SessionsInTwoThreadsTakeTurns) {
  start({});
  Diagnostics Other;
  std::unique_ptr<Session> Second =
      Session::create(*Code, {Table, sizeof(Weight)}, *Workers, {.Capacity = 256}, Other);
  ASSERT_TRUE(Second) << Other.str();
  std::vector<float> Logits(2 * FakeVocabulary);
  auto Fill = [](Session &Own, int32_t Token, float *Out, Diagnostics &Told) {
    for (int I = 0; I < 200; ++I)
      ASSERT_TRUE(Own.append(0, std::vector<int32_t>{Token}, LogitsOf::Last, Out, Told));
  };
  std::thread Beside([&] { Fill(*Second, 3, Logits.data() + FakeVocabulary, Other); });
  Fill(*Run, 1, Logits.data(), Diags);
  Beside.join();
  EXPECT_GT(Logits[200 % FakeVocabulary], 50);
  EXPECT_GT(Logits[FakeVocabulary + 600 % FakeVocabulary], 50);
}

TEST_F(SessionTest, GenerationIsAskedForTokens) {
  std::atomic<bool> Cancel = false;
  start({.Cancel = &Cancel});
  auto Stream = Generation::start(*Run, nullptr, Ints{1, 2}, {.MaxTokens = 3}, Diags);
  ASSERT_TRUE(Stream) << Diags.str();
  EXPECT_EQ(Stream->next(Diags)->Token, 3);
  // An interrupt loses nothing.
  Cancel = true;
  EXPECT_FALSE(Stream->next(Diags));
  expectError(807, "interrupted");
  EXPECT_FALSE(Stream->ended());
  Cancel = false;
  EXPECT_EQ(Stream->next(Diags)->Token, 6);
  EXPECT_EQ(Stream->next(Diags)->Token, 12);
  EXPECT_FALSE(Stream->ended());
  EXPECT_FALSE(Stream->next(Diags));
  EXPECT_TRUE(Stream->ended());
  EXPECT_EQ(Stream->result().Stop, StopReason::MaxTokens);
  Stream->stop();
  EXPECT_EQ(Stream->result().Stop, StopReason::MaxTokens);
}

TEST_F(SessionTest, GeneratorStreamsTokens) {
  start({});
  Generator Generate(*Run, nullptr);
  Ints Streamed;
  GenerateOptions Options = {.MaxTokens = 4};
  auto Result = Generate.generate(
      Ints{1, 2}, Options,
      [&](int32_t Token, std::string_view) {
        Streamed.push_back(Token);
        return true;
      },
      Diags);
  ASSERT_TRUE(Result) << Diags.str();
  // Each token is the sum of all before it.
  EXPECT_EQ(Result->Tokens, (Ints{3, 6, 12, 8}));
  EXPECT_EQ(Streamed, Result->Tokens);
  EXPECT_EQ(Result->Stop, StopReason::MaxTokens);
  EXPECT_EQ(Result->Stats.PromptTokens, 2);
  EXPECT_EQ(Result->Stats.DecodeTokens, 3);
  EXPECT_EQ(Run->length(0), 5);
}

TEST_F(SessionTest, GeneratorStopsForTheCallback) {
  start({});
  Generator Generate(*Run, nullptr);
  auto Result = Generate.generate(
      Ints{1}, {}, [](int32_t Token, std::string_view) { return Token != 2; }, Diags);
  ASSERT_TRUE(Result) << Diags.str();
  EXPECT_EQ(Result->Tokens, (Ints{1, 2}));
  EXPECT_EQ(Result->Stop, StopReason::Callback);
}

TEST_F(SessionTest, GeneratorStopsWhenTheContextIsFull) {
  start({.Capacity = 256});
  Generator Generate(*Run, nullptr);
  auto Result = Generate.generate(Ints(250, 0), {}, nullptr, Diags);
  ASSERT_TRUE(Result) << Diags.str();
  // The last token needs no position, as nothing follows it.
  EXPECT_EQ(Result->Tokens, Ints(7, 0));
  EXPECT_EQ(Result->Stop, StopReason::ContextFull);
}

TEST_F(SessionTest, GeneratorChecksThePrompt) {
  start({.Capacity = 256});
  Generator Generate(*Run, nullptr);
  EXPECT_FALSE(Generate.generate(Ints{}, {}, nullptr, Diags));
  expectError(813, "has no tokens");
  EXPECT_FALSE(Generate.generate(Ints(257, 1), {}, nullptr, Diags));
  expectError(814, "has 257 tokens, expected at most 256");
  EXPECT_FALSE(Generate.generate(Ints{1}, {.Sequence = 1}, nullptr, Diags));
  expectError(803, "found sequence 1");
}

TEST_F(SessionTest, GeneratorMayOnlyPrefill) {
  start({});
  Generator Generate(*Run, nullptr);
  auto Result = Generate.generate(Ints{1, 2, 3}, {.MaxTokens = 0}, nullptr, Diags);
  ASSERT_TRUE(Result) << Diags.str();
  EXPECT_TRUE(Result->Tokens.empty());
  EXPECT_EQ(Run->length(0), 3);
}

} // namespace
