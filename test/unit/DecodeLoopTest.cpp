//===- DecodeLoopTest.cpp - Generating with guesses -------------------------===//
//
// With any draft, right or wrong, tokens and what the session holds after each
// of them are those of plain decoding.
//
//===----------------------------------------------------------------------===//

#include "runtime/session/Generator.h"

#include "FakeSession.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

using Ints = std::vector<int32_t>;

//===----------------------------------------------------------------------===//
// Drafts of these tests, as a plugin would add them
//===----------------------------------------------------------------------===//

/// Knows the fake model: every token is the sum of all before it.  With `Wrong`
/// each third guess is wrong, with `Strange` it is no token at all.
class SumDraft : public Draft {
public:
  explicit SumDraft(int32_t Wrong) : Wrong(Wrong) {}
  void told(std::span<const int32_t> Tokens) override {
    for (int32_t Token : Tokens)
      Sum += Token;
  }
  DraftOffer offer() override { return {MaxDraftTokens, 3}; }
  int64_t propose(std::span<int32_t> Into) override {
    int32_t Running = Sum;
    for (int32_t &Token : Into) {
      // No step may be asked for the token that fails.
      Token = std::min(Running % FakeVocabulary, FakeFailingToken - 1);
      Running += Token;
      if (Wrong && ++Guesses % 3 == 0)
        Token = Wrong == 1 ? (Token + 1) % 14 : Wrong;
    }
    return static_cast<int64_t>(Into.size());
  }

private:
  int32_t Wrong;
  int32_t Sum = 0, Guesses = 0;
};

/// Asks the model itself, step by step, and leaves the sequence as it was.
class ModelDraft final : public Draft {
public:
  explicit ModelDraft(const DraftContext &Context) : Context(Context) {}
  void told(std::span<const int32_t> Tokens) override { Last = Tokens.back(); }
  DraftOffer offer() override { return {3, 3}; }
  int64_t propose(std::span<int32_t> Into) override {
    int64_t Length = Context.Run.length(Context.Sequence);
    std::vector<float> Logits(FakeVocabulary);
    Diagnostics Diags;
    int32_t Next = Last;
    int64_t Count = 0;
    for (int32_t &Token : Into) {
      if (!Context.Run.append(Context.Sequence, {&Next, 1}, LogitsOf::Last, Logits.data(), Diags))
        break;
      Next = Token = std::ranges::max_element(Logits) - Logits.begin();
      ++Count;
    }
    Context.Run.truncate(Context.Sequence, Length);
    return Count;
  }

private:
  DraftContext Context;
  int32_t Last = 0;
};

template <int32_t Wrong> std::unique_ptr<Draft> createSum(const DraftContext &) {
  return std::make_unique<SumDraft>(Wrong);
}
std::unique_ptr<Draft> createModel(const DraftContext &Context) {
  return std::make_unique<ModelDraft>(Context);
}

using Registration = Registry<DraftKind>::Registration;
const Registration Right({"right", "knows the answer", true, createSum<0>});
const Registration Wrong({"wrong", "errs often", true, createSum<1>});
const Registration Strange({"strange", "guesses what is no token", true, createSum<99>});
const Registration Negative({"negative", "the same, below zero", true, createSum<-1>});
const Registration Itself({"itself", "asks the model", false, createModel});

const char *const All[] = {"right:1",   "right:3",    "right:7",  "wrong:2", "wrong:7",
                           "strange:7", "negative:7", "itself:3", "ngram:1", "ngram:7",
                           "right",     "wrong",      "itself",   "ngram"};

//===----------------------------------------------------------------------===//
// The same as plain decoding
//===----------------------------------------------------------------------===//

class DecodeLoopTest : public test::FakeSessionTest {
protected:
  void start(const SessionOptions &Options = {}) { FakeSessionTest::start(Options, 1); }

  GenerateOptions options(std::string_view How, int64_t MaxTokens) {
    return {.MaxTokens = MaxTokens, .Speculation = *SpeculationChoice::parse(How, Diags)};
  }

  /// A whole generation, and after each token what the sequence holds.
  struct Trace {
    Ints Tokens;
    std::vector<Ints> Held;
    std::vector<Ints> Steps;
    StopReason Stop;
    SpeculationStats Stats;
  };
  Trace generate(const Ints &Prompt, const GenerateOptions &Options) {
    Trace Result;
    auto Stream = Generation::start(*Run, nullptr, Prompt, Options, Diags);
    EXPECT_TRUE(Stream) << Diags.str();
    while (std::optional<GeneratedPiece> Piece = Stream->next(Diags)) {
      std::span<const int32_t> Held = Run->tokens(Options.Sequence);
      Result.Tokens.push_back(Piece->Token);
      Result.Held.emplace_back(Held.begin(), Held.end());
    }
    EXPECT_TRUE(Stream->ended()) << Diags.str();
    EXPECT_EQ(Stream->result().Tokens, Result.Tokens);
    Result.Stop = Stream->result().Stop;
    Result.Stats = Stream->result().Stats.Speculation;
    EXPECT_EQ(Stream->result().Stats.DecodeTokens, Result.Stats.allSteps() + Result.Stats.Accepted);
    return Result;
  }

  /// What the model says to a token more: the sum of all that the sequence holds.
  int32_t continuation(int32_t Sequence = 0) {
    std::vector<float> Logits(FakeVocabulary);
    EXPECT_TRUE(Run->append(Sequence, Ints{1}, LogitsOf::Last, Logits.data(), Diags));
    return std::ranges::max_element(Logits) - Logits.begin();
  }

  void expectSame(const Ints &Prompt, int64_t MaxTokens, const SessionOptions &Session) {
    start(Session);
    Trace Plain = generate(Prompt, options("off", MaxTokens));
    bool Full = Run->length(0) == Run->capacity();
    int32_t Next = Full ? 0 : continuation();
    for (const char *How : All) {
      start(Session);
      Trace Found = generate(Prompt, options(How, MaxTokens));
      EXPECT_EQ(Found.Tokens, Plain.Tokens) << How;
      EXPECT_EQ(Found.Held, Plain.Held) << How;
      EXPECT_EQ(Found.Stop, Plain.Stop) << How;
      if (!Full)
        EXPECT_EQ(continuation(), Next) << How;
    }
  }
};

TEST_F(DecodeLoopTest, EveryDraftGivesTheSameTokens) {
  // The program's verify entry has 4 rows; -n ends inside a draft of 3 in every way.
  for (int64_t MaxTokens : {0, 1, 2, 3, 4, 5, 6, 7, 40})
    expectSame({1, 2}, MaxTokens, {});
}

TEST_F(DecodeLoopTest, UntilTheContextIsFull) {
  for (size_t Length : {240, 249, 250, 251, 252, 253, 254, 255, 256}) {
    Ints Prompt(Length, 0);
    Prompt.back() = 2;
    expectSame(Prompt, -1, {.Capacity = 256});
  }
}

TEST_F(DecodeLoopTest, ChunksOfOneRowLeaveNoRoomForGuesses) {
  expectSame({1, 2}, 20, {.PrefillChunk = 1});
  start({.PrefillChunk = 1});
  EXPECT_EQ(generate({1, 2}, options("right:7", 20)).Stats.Drafted, 0);
  start({.PrefillChunk = 2});
  EXPECT_EQ(generate({1, 2}, options("right:7", 20)).Stats.Steps[1], 9);
}

TEST_F(DecodeLoopTest, SamplesTheSame) {
  Weight[FakeFailingToken] = -std::numeric_limits<float>::infinity();
  GenerateOptions Plain = options("off", 60);
  // The likeliest token leads by 100.
  Plain.Sampling = {.Temperature = 60, .Seed = 5};
  start();
  Ints Expected = generate({1, 2}, Plain).Tokens;
  start();
  Plain.Sampling.Seed = 6;
  EXPECT_NE(generate({1, 2}, Plain).Tokens, Expected);
  for (const char *How : All) {
    start();
    GenerateOptions Options = options(How, 60);
    Options.Sampling = {.Temperature = 60, .Seed = 5};
    EXPECT_EQ(generate({1, 2}, Options).Tokens, Expected) << How;
  }
}

TEST_F(DecodeLoopTest, CountsWhatItDid) {
  start();
  Trace Found = generate({1, 2}, options("right:3", 13));
  // One token from the prompt, and three steps of four.
  EXPECT_EQ(Found.Stats.Steps, (std::array<int64_t, 8>{0, 0, 0, 3}));
  EXPECT_EQ(Found.Stats.Rounds, 3);
  EXPECT_EQ(Found.Stats.Drafted, 9);
  EXPECT_EQ(Found.Stats.Accepted, 9);
  EXPECT_DOUBLE_EQ(Found.Stats.tokensPerStep(), 4);
  start();
  Found = generate({1, 2}, options("off", 13));
  EXPECT_EQ(Found.Stats.Steps[0], 12);
  EXPECT_EQ(Found.Stats.Draft, "");
}

TEST_F(DecodeLoopTest, CanBeInterruptedAndStopped) {
  std::atomic<bool> Cancel = false;
  start();
  Ints Expected = generate({1, 2}, options("off", 30)).Tokens;
  for (const char *How : All) {
    start({.Cancel = &Cancel});
    auto Stream = Generation::start(*Run, nullptr, Ints{1, 2}, options(How, 30), Diags);
    for (size_t I = 0; I < Expected.size(); ++I) {
      // What was foretold comes without a step, and is not interrupted.
      Cancel = I % 2 == 1;
      std::optional<GeneratedPiece> Piece = Stream->next(Diags);
      Cancel = false;
      if (!Piece) {
        EXPECT_EQ(Diags.all().back().Number, 807u);
        EXPECT_EQ(Run->length(0), static_cast<int64_t>(2 + I - 1)) << How;
        Piece = Stream->next(Diags);
      }
      ASSERT_TRUE(Piece) << How;
      EXPECT_EQ(Piece->Token, Expected[I]) << How;
    }
    Stream->stop();
    EXPECT_EQ(Run->length(0), 31);
  }
}

TEST_F(DecodeLoopTest, TheSequenceMayChangeBetween) {
  // A caller who goes back, or continues the sequence, between two tokens gets what plain
  // decoding gives; so do neighbours.
  auto Play = [&](const char *How) {
    start({.Sequences = 2});
    auto Stream = Generation::start(*Run, nullptr, Ints{1, 2, 3}, options(How, 40), Diags);
    Ints Tokens;
    for (int I = 0; I < 40; ++I) {
      Tokens.push_back(Stream->next(Diags).value_or(GeneratedPiece{-9, {}}).Token);
      if (I % 5 == 2)
        Run->truncate(0, Run->length(0) - 1);
      if (I % 7 == 3)
        EXPECT_TRUE(Run->append(0, Ints{4}, LogitsOf::None, nullptr, Diags));
      EXPECT_TRUE(Run->append(1, Ints{I % 9}, LogitsOf::None, nullptr, Diags));
    }
    Tokens.push_back(continuation(0));
    Tokens.push_back(continuation(1));
    return Tokens;
  };
  Ints Expected = Play("off");
  EXPECT_FALSE(std::ranges::count(Expected, -9));
  for (const char *How : All)
    EXPECT_EQ(Play(How), Expected) << How;
}

TEST_F(DecodeLoopTest, KnowsWhatTheSequenceHeldBefore) {
  // 8 0 0 0 ... : all of it was seen in the sequence before the prompt.
  start();
  ASSERT_TRUE(Run->append(0, Ints{8, 8, 0, 0, 0, 0}, LogitsOf::None, nullptr, Diags));
  Trace Found = generate({0}, options("ngram:3", 13));
  EXPECT_EQ(Found.Tokens, Ints(13, 0));
  EXPECT_EQ(Found.Stats.Accepted, 9);
}

TEST_F(DecodeLoopTest, AStepThatFailsLosesNothing) {
  // A guess of the token that the fake program fails on: the round fails, nothing counts.
  start();
  std::vector<float> Logits(4 * FakeVocabulary);
  ASSERT_TRUE(Run->append(0, Ints{1}, LogitsOf::None, nullptr, Diags));
  EXPECT_FALSE(Run->verify(0, Ints{2, FakeFailingToken}, Logits.data(), Diags));
  EXPECT_EQ(Diags.all()[0].Number, 806u);
  EXPECT_EQ(Run->length(0), 1);
  EXPECT_FALSE(Run->accept(0, FakeFailingToken));
}

TEST_F(DecodeLoopTest, GuessesCountOnlyWhenAccepted) {
  start({.Sequences = 2});
  std::vector<float> Logits(4 * FakeVocabulary);
  EXPECT_EQ(Run->verifyRows(), 4);
  ASSERT_TRUE(Run->verify(0, Ints{1, 2, 3, 4}, Logits.data(), Diags));
  EXPECT_EQ(Run->length(0), 1);
  EXPECT_TRUE(Run->accept(0, 2));
  EXPECT_EQ(Run->length(0), 2);
  EXPECT_FALSE(Run->accept(1, 2));
  EXPECT_FALSE(Run->accept(0, 4));
  // The others are forgotten with the first that was wrong.
  EXPECT_FALSE(Run->accept(0, 3));
  EXPECT_EQ(continuation(), 4);
  EXPECT_TRUE(std::ranges::equal(Run->tokens(0), Ints{1, 2, 1}));
  // Going back forgets guesses; going nowhere does not.
  ASSERT_TRUE(Run->verify(0, Ints{5, 6, 7}, Logits.data(), Diags));
  Run->truncate(0, 4);
  EXPECT_TRUE(Run->accept(0, 6));
  Run->truncate(0, 4);
  EXPECT_FALSE(Run->accept(0, 6));
}

} // namespace
