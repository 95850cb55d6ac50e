//===- AdaptiveRunTest.cpp - How much of a model a run takes --------------===//

#include "runtime/adaptive/AdaptiveRun.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

class AdaptiveRunTest : public testing::Test {
protected:
  AdaptiveRunTest() {
    Code.Model.Layers = 4;
    Code.Exits = {1, 2};
    Code.ChoosesLayers = true;
    Measured.Points = {{"3", 0.7, 0.9, "", ""},
                       {"2,3", 0.4, 0.99, "somebody said so", ""},
                       {"", 0.6, 0.8, "", "always-at:1"},
                       {"", 0.9, 0.9, "", "threshold:0.5"},
                       {"", 0.97, 0.95, "", "threshold:0.9"}};
  }

  /// What is chosen and bound; 0 in `Error` where nothing was wrong.
  std::optional<AdaptiveRun> run(const AdaptiveRequest &Wanted, bool IsMeasured = true) {
    Diagnostics Diags;
    std::optional<AdaptiveRun> Found =
        AdaptiveRun::choose(Wanted, IsMeasured ? &Measured : nullptr, "cal", Diags);
    if (Found && !Found->bind(Code, LayerMask(Code), Diags))
      Found.reset();
    Error = Diags.all().empty() ? 0 : Diags.all().front().Number;
    EXPECT_EQ(Found.has_value(), Error == 0) << Diags.str();
    return Found;
  }

  static ExitStats steps(std::vector<int64_t> ByPlan) {
    return {std::vector<int64_t>(4), 0, std::move(ByPlan)};
  }

  Manifest Code;
  Calibration Measured;
  unsigned Error = 0;
};

TEST_F(AdaptiveRunTest, WhoAsksForNothingGetsAll) {
  for (bool IsMeasured : {false, true}) {
    std::optional<AdaptiveRun> Found = run({}, IsMeasured);
    ASSERT_TRUE(Found);
    EXPECT_FALSE(Found->mayLeave());
    EXPECT_TRUE(Found->exits().Plans.empty());
    EXPECT_EQ(Found->layers(), nullptr);
    ExpectedRun Expected = Found->expected({});
    EXPECT_EQ(Expected.Points, IsMeasured ? "all layers" : "");
    EXPECT_EQ(std::isnan(Expected.Agreement), !IsMeasured);
  }
}

TEST_F(AdaptiveRunTest, ABudgetTakesWhatAgreesMost) {
  std::optional<AdaptiveRun> Found = run({.Budget = 0.7});
  ASSERT_TRUE(Found);
  EXPECT_EQ(Found->skipText(), "3");
  ASSERT_TRUE(Found->layers());
  EXPECT_EQ(Found->layers()->skippedText(), "3");
  EXPECT_EQ(Found->expected({}).Agreement, 0.9);
  Found = run({.Budget = 0.65});
  ASSERT_TRUE(Found);
  EXPECT_TRUE(Found->mayLeave());
  EXPECT_EQ(Found->exits().Plans.size(), 1U);
  EXPECT_EQ(Found->exits().Layers, 0);
  EXPECT_EQ(Found->expected(steps({5})).Time, 0.6);
  // The layers are set, as a session may have others.
  EXPECT_EQ(Found->layers()->skippedText(), "");
  EXPECT_FALSE(run({.Budget = 0.5}));
  EXPECT_EQ(Error, 845U);
  EXPECT_FALSE(run({.Budget = 0.65, .Quality = 0.85}));
  EXPECT_EQ(Error, 845U);
}

TEST_F(AdaptiveRunTest, ALatencyIsHeldAboveTheQuality) {
  std::optional<AdaptiveRun> Found = run({.Seconds = 1e-3});
  ASSERT_TRUE(Found);
  EXPECT_EQ(Found->exits().Plans.size(), 3U);
  EXPECT_EQ(Found->exits().Seconds, 1e-3);
  ExpectedRun Expected = Found->expected(steps({8, 8, 4}));
  EXPECT_EQ(Expected.Points, "all layers, threshold:0.9, threshold:0.5");
  EXPECT_NEAR(Expected.Agreement, (8 + 8 * 0.95 + 4 * 0.9) / 20, 1e-12);
  EXPECT_NEAR(Expected.Time, (8 + 8 * 0.97 + 4 * 0.9) / 20, 1e-12);
  EXPECT_TRUE(std::isnan(Found->expected(steps({0, 0, 0})).Agreement));
  Found = run({.Seconds = 1e-3, .Quality = 0.92});
  ASSERT_TRUE(Found);
  EXPECT_EQ(Found->exits().Plans.size(), 2U);
  EXPECT_FALSE(run({.Seconds = 1e-3, .Quality = 0.96}));
  EXPECT_EQ(Error, 845U);
}

TEST_F(AdaptiveRunTest, APolicyIsTakenAsItIs) {
  std::optional<AdaptiveRun> Found = run({.Exit = "always-at:1"});
  ASSERT_TRUE(Found);
  EXPECT_EQ(Found->expected(steps({1})).Agreement, 0.8);
  Found = run({.Exit = "always-at:2"});
  ASSERT_TRUE(Found);
  EXPECT_TRUE(std::isnan(Found->expected(steps({1})).Agreement));
  // The mean part of the layers, by thresholds that nobody measured together.
  Found = run({.Exit = "threshold:0.9,0.5", .Budget = 0.6}, false);
  ASSERT_TRUE(Found);
  EXPECT_EQ(Found->exits().Layers, 0.6);
  EXPECT_EQ(Found->exits().Plans.size(), 3U);
  EXPECT_TRUE(run({.Exit = "always-at:1", .Quality = 0.8}));
  EXPECT_FALSE(run({.Exit = "always-at:1", .Quality = 0.81}));
  EXPECT_EQ(Error, 845U);
  EXPECT_FALSE(run({.Exit = "always-at:0"}));
  EXPECT_EQ(Error, 847U);
}

TEST_F(AdaptiveRunTest, OfListedLayersNothingIsKnown) {
  std::optional<AdaptiveRun> Found = run({.Skip = "0"});
  ASSERT_TRUE(Found);
  EXPECT_EQ(Found->layers()->skippedText(), "0");
  EXPECT_TRUE(std::isnan(Found->expected({}).Agreement));
  // All layers are asked for, and not those that the sequence runs.
  Found = run({.Skip = ""});
  ASSERT_TRUE(Found);
  ASSERT_TRUE(Found->layers());
  EXPECT_EQ(Found->layers()->skippedText(), "");
  // A sequence that runs less than all, of which nobody asks for more.
  Diagnostics Diags;
  Found = AdaptiveRun::choose({}, &Measured, "cal", Diags);
  ASSERT_TRUE(Found && Found->bind(Code, *LayerMask::parse("0-2", "", Code, Diags), Diags));
  EXPECT_EQ(Found->layers(), nullptr);
  EXPECT_TRUE(std::isnan(Found->expected({}).Agreement));
}

TEST_F(AdaptiveRunTest, RefusesWhatCannotBeHeld) {
  constexpr double None = std::numeric_limits<double>::quiet_NaN();
  for (const AdaptiveRequest &Wanted :
       std::initializer_list<AdaptiveRequest>{{.Seconds = 1, .Budget = 0.5},
                                              {.Skip = "1", .Budget = 0.5},
                                              {.Layers = "0-2", .Seconds = 1},
                                              {.Skip = "1", .Quality = 0.5},
                                              {.Budget = -0.1},
                                              {.Budget = 1.1},
                                              {.Budget = None},
                                              {.Quality = 2},
                                              {.Seconds = -1},
                                              {.Seconds = None}}) {
    EXPECT_FALSE(run(Wanted));
    EXPECT_EQ(Error, 849U);
  }
  for (const AdaptiveRequest &Wanted : std::initializer_list<AdaptiveRequest>{
           {.Budget = 0.5}, {.Seconds = 1}, {.Quality = 0.5}, {.Exit = "never", .Quality = 0.5}}) {
    EXPECT_FALSE(run(Wanted, false));
    EXPECT_EQ(Error, 849U);
  }
}

} // namespace
