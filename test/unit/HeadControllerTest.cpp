//===- HeadControllerTest.cpp - Whether to screen the output head ---------===//

#include "runtime/adaptive/HeadController.h"

#include <gtest/gtest.h>

using namespace lathe;

namespace {

constexpr int64_t Offered = 64;

/// Runs steps that take `Screened` or `Full` seconds; of the screened ones `Whole` of ten
/// compute all rows.  Gives how many were screened.
int64_t run(HeadController &Control, int64_t Steps, double Screened, double Full, int Whole = 0) {
  int64_t Count = 0;
  for (int64_t I = 0; I < Steps; ++I) {
    bool Screens = Control.choose() != 0;
    HeadReport Report;
    if (Screens)
      Report = {.Steps = 1, .Positions = 1, .Whole = I % 10 < Whole, .Rows = 100};
    Control.told(Screens ? Screened : Full, Report);
    Count += Screens;
  }
  return Count;
}

constexpr int64_t FirstEnd = HeadController::FirstTrial + HeadController::Trial;

TEST(HeadController, AsksForWhatIsWanted) {
  EXPECT_EQ(HeadController(HeadMode::Auto, 1, Offered).choose(), 1);
  EXPECT_EQ(HeadController(HeadMode::Screened, 64, Offered).choose(), 64);
}

TEST(HeadController, AsksForAllWhereNothingElseIsPossible) {
  for (HeadMode Mode : {HeadMode::Auto, HeadMode::Screened}) {
    EXPECT_EQ(HeadController(Mode, 0, Offered).choose(), 0);
    EXPECT_EQ(HeadController(Mode, 65, Offered).choose(), 0);
    EXPECT_EQ(HeadController(Mode, 1, 0).choose(), 0);
  }
  EXPECT_EQ(HeadController(HeadMode::Full, 1, Offered).choose(), 0);
}

TEST(HeadController, GoesOnWhereItIsFaster) {
  HeadController Control(HeadMode::Auto, 1, Offered);
  int64_t Steps = 2 * HeadController::Interval;
  // But for the whole steps of two comparisons.
  EXPECT_EQ(run(Control, Steps, 0.9, 1.0), Steps - HeadController::Trial);
}

TEST(HeadController, StopsWhereItIsSlower) {
  HeadController Control(HeadMode::Auto, 1, Offered);
  run(Control, FirstEnd, 1.1, 1.0);
  EXPECT_EQ(run(Control, HeadController::Interval - HeadController::Trial, 1.1, 1.0), 0);
  // The next comparison finds that it has become faster.
  run(Control, HeadController::Trial, 0.8, 1.0);
  EXPECT_EQ(run(Control, 100, 0.8, 1.0), 100);
}

TEST(HeadController, OneSlowStepDecidesNothing) {
  HeadController Control(HeadMode::Auto, 1, Offered);
  run(Control, HeadController::FirstTrial, 0.9, 1.0);
  run(Control, 1, 50.0, 1.0);
  run(Control, HeadController::Trial - 1, 0.9, 1.0);
  EXPECT_EQ(run(Control, 50, 0.9, 1.0), 50);
}

TEST(HeadController, PausesWhereTooManyRowsSurvive) {
  HeadController Control(HeadMode::Auto, 1, Offered);
  run(Control, FirstEnd, 0.9, 1.0);
  // A window that is whole, wherever it began; then nothing for the length of a pause.
  int64_t Steps = 2 * HeadController::Window;
  EXPECT_LT(run(Control, Steps, 0.9, 1.0, 10), Steps);
  EXPECT_EQ(run(Control, HeadController::Pause - Steps, 0.9, 1.0, 10), 0);
  EXPECT_GT(run(Control, Steps, 0.9, 1.0), 0);
}

TEST(HeadController, BearsWithAFew) {
  HeadController Control(HeadMode::Auto, 1, Offered);
  run(Control, FirstEnd, 0.9, 1.0);
  EXPECT_EQ(run(Control, 100, 0.9, 1.0, 4), 100);
}

/// Positions count, of which a step may have several.
TEST(HeadController, PausesWhereTooManyPositionsOfFewStepsSurvive) {
  for (int64_t Whole : {4, 5}) {
    HeadController Control(HeadMode::Auto, 1, Offered);
    for (int64_t I = 0; I < 2; ++I) {
      EXPECT_EQ(Control.choose(), 1);
      Control.told(1, {.Steps = 1, .Positions = 8, .Whole = Whole, .Rows = 100});
    }
    EXPECT_EQ(Control.choose(), Whole == 4 ? 1 : 0);
  }
}

TEST(HeadController, ScreensAlwaysWhenTold) {
  HeadController Control(HeadMode::Screened, 1, Offered);
  EXPECT_EQ(run(Control, 1000, 2.0, 1.0, 10), 1000);
}

TEST(HeadController, ModesHaveNames) {
  Diagnostics Diags;
  EXPECT_EQ(parseHeadMode("auto", Diags), HeadMode::Auto);
  EXPECT_EQ(parseHeadMode("full", Diags), HeadMode::Full);
  EXPECT_EQ(parseHeadMode("screened", Diags), HeadMode::Screened);
  EXPECT_FALSE(Diags.hasErrors());
  for (const char *Text : {"", "Auto", "screene", "full "}) {
    Diagnostics Local;
    EXPECT_FALSE(parseHeadMode(Text, Local)) << Text;
    EXPECT_NE(Local.str().find("E0817"), std::string::npos) << Local.str();
  }
}

} // namespace
