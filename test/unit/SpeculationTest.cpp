//===- SpeculationTest.cpp - Drafts, their index and their controller ------===//

#include "runtime/adaptive/Draft.h"
#include "runtime/adaptive/NgramIndex.h"
#include "runtime/adaptive/SpeculationController.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <random>
#include <string>

#include <gtest/gtest.h>

using namespace lathe;

/// Allocations of this process, for tests that allow none.
static std::atomic<int64_t> Allocations = 0;
void *operator new(size_t Bytes) {
  ++Allocations;
  return std::malloc(Bytes);
}
void operator delete(void *Memory) noexcept { std::free(Memory); }
void operator delete(void *Memory, size_t) noexcept { std::free(Memory); }

namespace {

using Ints = std::vector<int32_t>;

//===----------------------------------------------------------------------===//
// The index, against a search of the whole text
//===----------------------------------------------------------------------===//

int64_t agreement(const Ints &Text, int64_t Next) {
  int64_t Length = 0, Size = Text.size();
  while (Length < std::min<int64_t>(Next, 32) && Text[Next - 1 - Length] == Text[Size - 1 - Length])
    ++Length;
  return Length;
}

/// What NgramIndex::find promises, by looking everywhere.
NgramIndex::Match searchAll(const Ints &Text) {
  NgramIndex::Match Best;
  int64_t Seen = 0;
  for (int64_t Next = Text.size() - 1; Next >= 3 && Seen < 32; --Next)
    if (int64_t Length = agreement(Text, Next); Length >= 3) {
      ++Seen;
      if (Length > Best.Length)
        Best = {Next, Length};
    }
  for (int64_t Next = Text.size() - 1; Next >= 2 && !Best.Length; --Next)
    if (agreement(Text, Next) >= 2)
      Best = {Next, 2};
  return Best;
}

/// Words from a few phrases, so that texts of many tokens repeat themselves, too.
Ints randomText(std::mt19937 &Random, int32_t Vocabulary, size_t Length) {
  Ints Text;
  while (Text.size() < Length) {
    if (Random() % 4 || Text.size() < 8) {
      Text.push_back(static_cast<int32_t>(Random() % Vocabulary));
      continue;
    }
    size_t From = Random() % (Text.size() - 4), Count = 1 + Random() % 40;
    for (size_t I = 0; I < Count; ++I)
      Text.push_back(Text[From + I]);
  }
  Text.resize(Length);
  return Text;
}

TEST(NgramIndexTest, FindsWhatASearchFinds) {
  std::mt19937 Random(7);
  for (int32_t Vocabulary : {1, 2, 3, 10, 300, 49152})
    for (int64_t Room : {0, 1, 1000}) {
      NgramIndex Index(Room);
      Ints Text = randomText(Random, Vocabulary, 700), Before;
      for (int32_t Token : Text) {
        Index.push(Token);
        Before.push_back(Token);
        NgramIndex::Match Found = Index.find(), Expected = searchAll(Before);
        ASSERT_EQ(Found.Length, Expected.Length) << Vocabulary << " at " << Before.size();
        ASSERT_EQ(Found.Length ? Found.Next : 0, Expected.Next) << Before.size();
      }
      EXPECT_TRUE(std::ranges::equal(Index.tokens(), Text));
    }
}

TEST(NgramIndexTest, PrefersLongerAgreementThenLater) {
  NgramIndex Index(64);
  for (int32_t Token : {9, 1, 2, 3, 4, 5, 8, 2, 3, 4, 6, 7, 2, 3, 4, 7, 9, 1, 2, 3, 4})
    Index.push(Token);
  // "2 3 4" stands three times before, but "9 1 2 3 4" only at the beginning.
  EXPECT_EQ(Index.find().Length, 5);
  EXPECT_EQ(Index.find().Next, 5);
}

TEST(NgramIndexTest, CopiesAndRepeats) {
  NgramIndex Index(64);
  for (int32_t Token : {5, 6, 7, 1, 2, 3, 1, 2})
    Index.push(Token);
  NgramIndex::Match Found = Index.find();
  EXPECT_EQ(Found.Length, 2);
  Ints Into(7);
  Index.copy(Found, Into);
  // "1 2" was followed by "3 1 2", and that by what follows "1 2" again.
  EXPECT_EQ(Into, (Ints{3, 1, 2, 3, 1, 2, 3}));
}

TEST(NgramIndexTest, AllocatesNothingPerToken) {
  std::mt19937 Random(3);
  Ints Text = randomText(Random, 50, 4000);
  NgramIndex Index(4000);
  std::array<int32_t, 7> Into;
  int64_t Before = Allocations;
  for (int32_t Token : Text) {
    Index.push(Token);
    if (NgramIndex::Match Found = Index.find(); Found.Length)
      Index.copy(Found, Into);
  }
  EXPECT_EQ(Allocations, Before);
}

//===----------------------------------------------------------------------===//
// Times of steps
//===----------------------------------------------------------------------===//

TEST(StepTimesTest, MedianOfTheLatest) {
  StepTimes Times;
  EXPECT_FALSE(Times.hasBase());
  // Nothing to hold it against, and then only a step that found all cold.
  Times.record(4, 1.0);
  Times.record(1, 9.0);
  EXPECT_FALSE(Times.hasBase());
  EXPECT_FALSE(Times.hasMeasured(4));
  Times.record(1, 2.0);
  EXPECT_TRUE(Times.hasBase());
  EXPECT_EQ(Times.base(), 2.0);
  for (double Seconds : {2.0, 2.0, 50.0})
    Times.record(1, Seconds);
  EXPECT_EQ(Times.base(), 2.0);
  // It follows a machine that becomes slower.
  for (int I = 0; I < 4; ++I)
    Times.record(1, 4.0);
  EXPECT_EQ(Times.base(), 4.0);
}

TEST(StepTimesTest, OneSlowStepIsNotBelieved) {
  StepTimes Times;
  for (int I = 0; I < 2; ++I)
    Times.record(1, 2.0);
  double Assumed = 1 + 3 * StepTimes::AssumedSlope;
  Times.record(4, 30.0);
  EXPECT_TRUE(Times.hasMeasured(4));
  EXPECT_DOUBLE_EQ(Times.relative(4), Assumed);
  Times.record(4, 4.0);
  EXPECT_DOUBLE_EQ(Times.relative(4), Assumed);
  for (int I = 0; I < 2; ++I)
    Times.record(4, 4.0);
  EXPECT_DOUBLE_EQ(Times.relative(4), 2.0);
  // What was assumed is forgotten.
  for (int I = 0; I < 7; ++I)
    Times.record(4, 6.0);
  EXPECT_DOUBLE_EQ(Times.relative(4), 3.0);
}

TEST(StepTimesTest, BetweenAndAboveWhatWasMeasured) {
  StepTimes Times;
  EXPECT_DOUBLE_EQ(Times.relative(1), 1);
  EXPECT_DOUBLE_EQ(Times.relative(8), 1 + 7 * StepTimes::AssumedSlope);
  for (int I = 0; I < 7; ++I)
    Times.record(1, 1.0);
  for (int I = 0; I < 7; ++I)
    Times.record(5, 2.0);
  EXPECT_DOUBLE_EQ(Times.relative(1), 1);
  EXPECT_DOUBLE_EQ(Times.relative(2), 1.25);
  EXPECT_DOUBLE_EQ(Times.relative(4), 1.75);
  EXPECT_DOUBLE_EQ(Times.relative(6), 2 + StepTimes::AssumedSlope);
}

//===----------------------------------------------------------------------===//
// The controller, on streams whose acceptance is known
//===----------------------------------------------------------------------===//

/// A stream of tokens where every position offers a draft of one class.
struct Stream {
  double First, Later;     ///< Chance of the first guess and of each further one.
  std::array<double, 8> T; ///< Of a step, by rows - 1.
  double Noise = 0;        ///< Steps take up to that much longer.
  int32_t Class = 1;
  bool Free = true;
  std::mt19937 Random{11};

  double chance() { return static_cast<double>(Random() >> 5) * 0x1p-27; }
  int64_t right(int64_t Drafted) {
    int64_t Right = 0;
    while (Right < Drafted && chance() < (Right ? Later : First))
      ++Right;
    return Right;
  }
  double time(int64_t Rows) { return T[Rows - 1] * (1 + Noise * chance()); }
};

struct Outcome {
  double Speed; ///< Relative to plain decoding.
  int64_t Rounds;
  int64_t Most; ///< Most tokens of a draft.
};

/// Decodes `Tokens` tokens with a controller.
Outcome decode(Stream &Text, int64_t Tokens) {
  StepTimes Times;
  SpeculationController Control(Times, Text.Free);
  double Seconds = 0, Plain = 0;
  Outcome Result = {};
  for (int64_t Given = 0; Given < Tokens;) {
    int64_t Count = Control.choose({MaxDraftTokens, Text.Class});
    int64_t Right = Text.right(Count ? Count : MaxDraftTokens);
    double Took = Text.time(Count + 1);
    Times.record(Count + 1, Took);
    Seconds += Took;
    if (Count || Text.Free)
      Control.tellOutcome(Text.Class, Count ? Count : std::min<int64_t>(Right + 1, MaxDraftTokens),
                          Right, Count > 0);
    for (int64_t I = Count ? Right : 0; I >= 0; --I, ++Given)
      Plain += Text.time(1);
    Result.Rounds += Count > 0;
    Result.Most = std::max(Result.Most, Count);
  }
  Result.Speed = Plain / Seconds;
  return Result;
}

constexpr std::array<double, 8> Usual = {1, 1.3, 1.4, 1.5, 1.9, 2.0, 2.2, 2.4};

TEST(SpeculationControllerTest, TakesLongDraftsWhereTheyAreRight) {
  Stream Copy = {0.9, 0.95, Usual};
  Outcome Found = decode(Copy, 2000);
  // 4 rows give E = 3.5 at 1.5, and 8 rows 6.2 at 2.4: about 2.6 of which a part is found.
  EXPECT_GT(Found.Speed, 2.2);
  EXPECT_EQ(Found.Most, MaxDraftTokens);
}

TEST(SpeculationControllerTest, LeavesItWhereTheyAreWrong) {
  for (double First : {0.0, 0.05, 0.1, 0.2})
    for (int32_t Class : {0, 1, 2, 3}) {
      Stream Chat = {First, 0.5, Usual};
      Chat.Class = Class;
      Outcome Found = decode(Chat, 1000);
      EXPECT_GT(Found.Speed, 0.98) << First << ", class " << Class;
      EXPECT_LT(Found.Rounds, 100) << First << ", class " << Class;
    }
}

TEST(SpeculationControllerTest, NeverLosesMuchBetween) {
  for (double First : {0.3, 0.4, 0.5, 0.6, 0.7})
    for (double Later : {0.3, 0.5, 0.7, 0.9})
      for (double Noise : {0.0, 0.5}) {
        Stream Text = {First, Later, Usual, Noise};
        EXPECT_GT(decode(Text, 2000).Speed, 0.98) << First << ", " << Later << ", " << Noise;
      }
}

TEST(SpeculationControllerTest, SlowStepsTurnItOff) {
  // Two rows cost more than two steps, as where small steps have no kernels.
  Stream Copy = {0.9, 0.9, {1, 2.2, 3.2, 4.2, 5.2, 6.2, 7.2, 8.2}};
  Outcome Found = decode(Copy, 2000);
  EXPECT_GT(Found.Speed, 0.95);
  // It is tried again now and then.
  EXPECT_GT(Found.Rounds, 10);
  EXPECT_LT(Found.Rounds, 80);
}

TEST(SpeculationControllerTest, ComesBackWhenTheTextChanges) {
  StepTimes Times;
  SpeculationController Control(Times, true);
  Times.record(1, 1.0);
  Times.record(1, 1.0);
  for (int I = 0; I < 100; ++I)
    Control.tellOutcome(1, 4, 0, false);
  EXPECT_EQ(Control.choose({MaxDraftTokens, 1}), 0);
  int Until = 0;
  for (; !Control.choose({MaxDraftTokens, 1}) && Until < 100; ++Until)
    Control.tellOutcome(1, MaxDraftTokens, MaxDraftTokens, false);
  EXPECT_LT(Until, 30);
  // Other classes are counted for themselves.
  for (int I = 0; I < 100; ++I)
    Control.tellOutcome(2, 4, 0, false);
  EXPECT_EQ(Control.choose({MaxDraftTokens, 2}), 0);
  EXPECT_GT(Control.choose({MaxDraftTokens, 1}), 0);
}

TEST(SpeculationControllerTest, HasHysteresis) {
  StepTimes Times;
  SpeculationController Control(Times, true);
  for (int I = 0; I < 7; ++I) {
    Times.record(1, 1.0);
    Times.record(2, 1.25);
  }
  // After wrong guesses or right ones, a third is right.
  auto Settle = [&](int32_t Class, bool Right) {
    for (int I = 0; I < 100; ++I)
      Control.tellOutcome(Class, 1, Right, false);
    EXPECT_EQ(Control.choose({1, Class}), Right);
    for (int I = 0; I < 300; ++I)
      Control.tellOutcome(Class, 1, I % 3 == 0, false);
  };
  for (int32_t Class : {0, 1}) {
    Settle(Class, Class == 1);
    // That promises too little to begin, but enough to go on.
    EXPECT_GT(Control.gain(Class, 1), SpeculationController::GainToStay);
    EXPECT_LT(Control.gain(Class, 1), SpeculationController::GainToStart);
    EXPECT_EQ(Control.choose({1, Class}), Class);
  }
}

TEST(SpeculationControllerTest, CountsWhatGuessingCosts) {
  StepTimes Times;
  SpeculationController Cheap(Times, false), Dear(Times, false);
  Times.record(1, 1.0);
  Times.record(1, 1.0);
  Dear.tellDraftTime(4, 4 * 0.9);
  EXPECT_GT(Cheap.choose({MaxDraftTokens, 3}), 0);
  EXPECT_EQ(Dear.choose({MaxDraftTokens, 3}), 0);
}

TEST(SpeculationControllerTest, TriesADearDraftNowAndThen) {
  Stream Wrong = {0.0, 0.0, Usual};
  Wrong.Free = false;
  Wrong.Class = 3;
  Outcome Found = decode(Wrong, 2000);
  EXPECT_GT(Found.Rounds, 20);
  EXPECT_GT(Found.Speed, 0.97);
}

TEST(SpeculationControllerTest, AllocatesNothing) {
  Stream Text = {0.5, 0.7, Usual};
  int64_t Before = Allocations;
  decode(Text, 500);
  EXPECT_EQ(Allocations, Before);
}

//===----------------------------------------------------------------------===//
// How users write it
//===----------------------------------------------------------------------===//

TEST(SpeculationChoiceTest, Words) {
  Diagnostics Diags;
  EXPECT_EQ(SpeculationChoice::parse("off", Diags)->Kind, nullptr);
  for (const char *Text : {"auto", "ngram"}) {
    EXPECT_EQ(SpeculationChoice::parse(Text, Diags)->Kind->Name, "ngram");
    EXPECT_EQ(SpeculationChoice::parse(Text, Diags)->Always, 0);
  }
  EXPECT_EQ(SpeculationChoice::parse("ngram:7", Diags)->Always, 7);
  EXPECT_FALSE(Diags.hasErrors());
  for (const char *Text : {"", "of", "ngram:", "ngram:0", "ngram:8", "ngram:-1", "ngram:4x",
                           "ngram:99999999999999999999", "auto:4", "off:4", ":4"}) {
    EXPECT_FALSE(SpeculationChoice::parse(Text, Diags)) << Text;
    EXPECT_EQ(Diags.all().back().Number, 816u) << Text;
    EXPECT_NE(Diags.str().find("'" + std::string(Text) + "'"), std::string::npos) << Text;
  }
}

} // namespace
