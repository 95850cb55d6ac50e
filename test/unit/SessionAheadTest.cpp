//===- SessionAheadTest.cpp - Steps that are started ahead ------------------===//
//
// The fake program on a device that finds the greatest logit by itself, and does what it
// is given as late as it may.
//
//===----------------------------------------------------------------------===//

#include "runtime/session/Generator.h"
#include "runtime/session/HostExecutor.h"

#include "FakeSession.h"

#include <algorithm>
#include <deque>
#include <limits>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

using Ints = std::vector<int32_t>;

/// What the device was asked for.
struct DeviceLog {
  int64_t Started = 0, Finished = 0, MostAtOnce = 0;
  int32_t Furthest = -1; ///< Position.
};

class LateRunner final : public StepRunner, private StepsAhead {
public:
  LateRunner(std::unique_ptr<StepRunner> On, DeviceLog &Log) : On(std::move(On)), Log(Log) {}

  bool run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) override {
    return settle(Diags) && On->run(Entry, Args, Diags);
  }
  void forget(int32_t Sequence) override { On->forget(Sequence); }
  int64_t workers() const override { return On->workers(); }
  StepsAhead *ahead() override { return this; }
  MemoryReport memory() const override { return On->memory(); }

private:
  struct Step {
    size_t Entry;
    int32_t Token, Position, Sequence;
    bool HasToken;
    lathe_step_args Args;
  };

  int64_t most() const override { return 3; }

  bool start(size_t Entry, const lathe_step_args &Args, Diagnostics &Diags) override {
    if (Args.token && !settle(Diags))
      return false;
    EXPECT_TRUE(Args.token || !Waiting.empty()) << "there is no step to take a token from";
    Waiting.push_back({Entry, Args.token ? *Args.token : 0, *Args.position, *Args.sequence,
                       Args.token != nullptr, Args});
    ++Log.Started;
    Log.MostAtOnce = std::max(Log.MostAtOnce, static_cast<int64_t>(Waiting.size()));
    Log.Furthest = std::max(Log.Furthest, *Args.position);
    return true;
  }

  bool finish(lathe_logit &Greatest, Diagnostics &Diags) override {
    ++Log.Finished;
    if (!runFirst(Diags))
      return false;
    Greatest = Latest;
    return true;
  }

  bool runFirst(Diagnostics &Diags) {
    Step First = Waiting.front();
    Waiting.pop_front();
    std::array<float, FakeVocabulary> Logits;
    const int32_t Row = 0;
    First.Args.token = First.HasToken ? &First.Token : &Latest.token;
    First.Args.position = &First.Position;
    First.Args.sequence = &First.Sequence;
    First.Args.logits_row = &Row;
    First.Args.logits = Logits.data();
    First.Args.wanted_logits = 0;
    if (!On->run(First.Entry, First.Args, Diags))
      return false;
    auto Best = std::ranges::max_element(Logits);
    Latest = {*Best, static_cast<int32_t>(Best - Logits.begin())};
    return true;
  }

  bool settle(Diagnostics &Diags) {
    while (!Waiting.empty())
      if (!runFirst(Diags))
        return false;
    return true;
  }

  std::unique_ptr<StepRunner> On;
  DeviceLog &Log;
  std::deque<Step> Waiting;
  lathe_logit Latest = {};
};

class LateExecutor final : public Executor {
public:
  LateExecutor(Executor &On, DeviceLog &Log) : On(On), Log(Log) {}
  const Program &program() const override { return On.program(); }
  std::unique_ptr<StepRunner> createRunner(const StepMemory &Memory, Diagnostics &Diags) override {
    std::unique_ptr<StepRunner> Runner = On.createRunner(Memory, Diags);
    return Runner ? std::make_unique<LateRunner>(std::move(Runner), Log) : nullptr;
  }

private:
  Executor &On;
  DeviceLog &Log;
};

class SessionAheadTest : public test::FakeSessionTest {
protected:
  void SetUp() override { begin({.Capacity = 256, .Sequences = 2}); }

  /// `Run` on the device, `Plain` without it.
  void begin(const SessionOptions &Options) {
    Diagnostics Local;
    Run.reset();
    Workers = WorkerPool::create(1, Local);
    Code = Program::create(findGreatest, nullptr, "fake", Local);
    ASSERT_TRUE(Workers && Code) << Local.str();
    HostExecutor Host(*Code, {Table, sizeof(Weight)}, *Workers);
    LateExecutor Late(Host, Log);
    Run = Session::create(Late, Options, Local);
    Plain = Session::create(Host, Options, Local);
    ASSERT_TRUE(Run && Plain) << Local.str();
  }

  static void *findGreatest(const char *Symbol) {
    static std::string Text = lathe_manifest;
    static int64_t Size = 0;
    if (Size == 0) {
      std::string Rows = "\"max_rows\":1,";
      Text.insert(Text.find(Rows) + Rows.size(), "\"greatest_logits\":4,");
      Size = static_cast<int64_t>(Text.size());
    }
    if (std::string(Symbol) == "lathe_manifest")
      return Text.data();
    return std::string(Symbol) == "lathe_manifest_size" ? &Size : findSymbol(Symbol);
  }

  int32_t ahead(int32_t Token, int64_t More, int32_t Sequence = 0) {
    EXPECT_TRUE(Run->appendAhead(Sequence, Token, More, Logits, Diags)) << Diags.str();
    return bestOf(Logits);
  }

  int32_t plain(int32_t Token, int32_t Sequence = 0) {
    EXPECT_TRUE(Plain->append(Sequence, {&Token, 1}, LogitsOf::Last, Logits, Diags));
    return bestOf(Logits);
  }

  static int32_t bestOf(const float *Of) {
    return static_cast<int32_t>(std::max_element(Of, Of + FakeVocabulary) - Of);
  }

  Ints held(const Session &Of, int32_t Sequence = 0) {
    return {Of.tokens(Sequence).begin(), Of.tokens(Sequence).end()};
  }

  std::optional<GenerateResult> generate(Session &On, GenerateOptions Options, int64_t StopAfter) {
    Generator Generate(On, nullptr);
    auto OnToken = [&](int32_t, std::string_view) { return --StopAfter != 0; };
    return Generate.generate(Ints{3, 5}, Options, OnToken, Diags);
  }

  DeviceLog Log;
  std::unique_ptr<Session> Plain;
  float Logits[FakeVocabulary];
};

TEST_F(SessionAheadTest, TokensAreThoseOfStepsThatWait) {
  ASSERT_EQ(Run->mostAhead(), 2);
  EXPECT_EQ(Plain->mostAhead(), 0);
  int32_t Ours = 1, Theirs = 1;
  for (int I = 0; I < 20; ++I) {
    Ours = ahead(Ours, 2), Theirs = plain(Theirs);
    ASSERT_EQ(Ours, Theirs) << "step " << I;
    EXPECT_EQ(held(*Run), held(*Plain));
  }
  EXPECT_EQ(Log.Finished, 20);
  EXPECT_EQ(Log.Started, 22);
  EXPECT_EQ(Log.MostAtOnce, 3);
}

/// All but the greatest are ruled out.
TEST_F(SessionAheadTest, OneLogitIsThere) {
  int32_t Best = ahead(3, 1);
  for (int32_t Token = 0; Token < FakeVocabulary; ++Token)
    EXPECT_EQ(Logits[Token] > -std::numeric_limits<float>::infinity(), Token == Best);
  EXPECT_EQ(Run->headReport().Rows, FakeVocabulary);
}

TEST_F(SessionAheadTest, AnotherTokenDropsWhatWasStarted) {
  int32_t Best = ahead(3, 2);
  EXPECT_TRUE(Run->isAhead(0, Best));
  EXPECT_FALSE(Run->isAhead(0, Best + 1));
  EXPECT_FALSE(Run->isAhead(1, Best));
  plain(3);
  int32_t Other = (Best + 1) % 14;
  EXPECT_EQ(ahead(Other, 2), plain(Other));
  EXPECT_EQ(held(*Run), held(*Plain));
  EXPECT_EQ(Log.Finished, 2);
  EXPECT_EQ(Log.Started, 6);
}

/// What changes a sequence drops what was started, even where position and token agree.
TEST_F(SessionAheadTest, OtherCallsDropWhatWasStarted) {
  int32_t Best = ahead(3, 2);
  Run->truncate(0, 0);
  EXPECT_FALSE(Run->isAhead(0, Best));
  const Ints Text = {4, 9};
  ASSERT_TRUE(Run->append(0, Text, LogitsOf::None, nullptr, Diags));
  ASSERT_TRUE(Plain->append(0, Text, LogitsOf::None, nullptr, Diags));
  EXPECT_EQ(ahead(Best, 1), plain(Best));
  // A step of another sequence, too.
  ASSERT_TRUE(Run->append(1, Text, LogitsOf::None, nullptr, Diags));
  int32_t Next = bestOf(Logits);
  EXPECT_FALSE(Run->isAhead(0, Next));
  EXPECT_EQ(ahead(Next, 2), plain(Next));
  Next = bestOf(Logits);
  ASSERT_TRUE(Plain->append(1, Text, LogitsOf::None, nullptr, Diags));
  EXPECT_EQ(ahead(7, 2, 1), plain(7, 1));
  EXPECT_EQ(ahead(Next, 2), plain(Next));
  EXPECT_EQ(held(*Run), held(*Plain));
}

TEST_F(SessionAheadTest, NoStepIsBeyondTheContext) {
  int32_t Ours = 1, Theirs = 1;
  for (int64_t I = 0; I < Run->capacity(); ++I) {
    Ours = ahead(Ours, 2), Theirs = plain(Theirs);
    ASSERT_EQ(Ours, Theirs);
  }
  EXPECT_EQ(Log.Furthest, Run->capacity() - 1);
  EXPECT_EQ(Log.Started, Run->capacity());
  EXPECT_FALSE(Run->appendAhead(0, Ours, 2, Logits, Diags));
  ASSERT_EQ(Diags.errorCount(), 1u);
  EXPECT_EQ(Diags.all().front().Number, 802u);
}

TEST_F(SessionAheadTest, WhatIsWrongIsToldAheadOfStarting) {
  EXPECT_FALSE(Run->appendAhead(2, 1, 1, Logits, Diags));
  EXPECT_FALSE(Run->appendAhead(0, FakeVocabulary, 1, Logits, Diags));
  EXPECT_FALSE(Run->appendAhead(0, 1, 1, nullptr, Diags));
  ASSERT_EQ(Diags.errorCount(), 3u);
  EXPECT_EQ(Diags.all()[0].Number, 803u);
  EXPECT_EQ(Diags.all()[1].Number, 801u);
  EXPECT_EQ(Diags.all()[2].Number, 804u);
  EXPECT_EQ(Log.Started, 0);
}

/// A step that fails ends it; the sequence keeps what was done.
TEST_F(SessionAheadTest, AFailureOfAStepIsTold) {
  EXPECT_FALSE(Run->appendAhead(0, FakeFailingToken, 0, Logits, Diags));
  EXPECT_FALSE(Run->appendAhead(0, FakeFailingToken, 2, Logits, Diags));
  ASSERT_EQ(Diags.errorCount(), 2u);
  EXPECT_EQ(Diags.all().back().Number, 806u);
  EXPECT_EQ(Run->length(0), 0);
}

TEST_F(SessionAheadTest, AnInterruptKeepsWhatWasDone) {
  std::atomic<bool> Cancel = false;
  begin({.Capacity = 256, .Cancel = &Cancel});
  int32_t Best = ahead(3, 2);
  Cancel = true;
  EXPECT_FALSE(Run->appendAhead(0, Best, 2, Logits, Diags));
  EXPECT_EQ(Diags.all().back().Number, 807u);
  EXPECT_EQ(held(*Run), Ints{3});
  Cancel = false;
  plain(3);
  EXPECT_EQ(ahead(Best, 2), plain(Best));
}

//===----------------------------------------------------------------------===//
// Generations
//===----------------------------------------------------------------------===//

TEST_F(SessionAheadTest, AGenerationStartsNoStepInVain) {
  auto Ours = generate(*Run, {.MaxTokens = 12}, 0);
  auto Theirs = generate(*Plain, {.MaxTokens = 12}, 0);
  ASSERT_TRUE(Ours && Theirs) << Diags.str();
  EXPECT_EQ(Ours->Tokens, Theirs->Tokens);
  EXPECT_EQ(Log.Started, 11);
  EXPECT_EQ(Log.MostAtOnce, 3);
  EXPECT_EQ(held(*Run), held(*Plain));
}

TEST_F(SessionAheadTest, AGenerationThatIsStoppedLeavesTheSequenceAsItIs) {
  for (int64_t Turn : {5, 3, 4}) {
    auto Ours = generate(*Run, {}, Turn);
    auto Theirs = generate(*Plain, {}, Turn);
    ASSERT_TRUE(Ours && Theirs) << Diags.str();
    EXPECT_EQ(Ours->Tokens, Theirs->Tokens);
    EXPECT_EQ(held(*Run), held(*Plain));
  }
  EXPECT_GT(Log.Started, Log.Finished);
}

/// A sampler that draws needs to be asked, and so does a head that is whole.
TEST_F(SessionAheadTest, OnlyTheGreatestIsForetold) {
  ASSERT_TRUE(generate(*Run, {.MaxTokens = 6, .Head = HeadMode::Full}, 0)) << Diags.str();
  GenerateOptions Draws = {.MaxTokens = 6};
  Draws.Sampling = {.Temperature = 1, .TopK = 4};
  ASSERT_TRUE(generate(*Run, Draws, 0)) << Diags.str();
  EXPECT_EQ(Log.Started, 0);
}

} // namespace
