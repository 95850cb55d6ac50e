//===- CalibrationTest.cpp - What a part of a model is worth --------------===//

#include "runtime/adaptive/Calibration.h"
#include "runtime/adaptive/DepthCalibration.h"
#include "runtime/support/Binomial.h"

#include "FakeSession.h"
#include "runtime/support/Text.h"
#include "runtime/workers/BlockHash.h"

#include <cmath>

using namespace lathe;

namespace {

TEST(LowerBound, IsThatOfClopperAndPearson) {
  // All of n: alpha^(1/n).
  EXPECT_NEAR(lowerBound(59, 59, 0.95), std::pow(0.05, 1.0 / 59), 1e-9);
  EXPECT_NEAR(lowerBound(1, 1, 0.99), 0.01, 1e-9);
  // One of n: 1 - (1 - alpha)^(1/n).
  EXPECT_NEAR(lowerBound(1, 20, 0.95), 1 - std::pow(0.95, 1.0 / 20), 1e-9);
  // Tables of the binomial distribution: 9 of 10, and 90 of 100.
  EXPECT_NEAR(lowerBound(9, 10, 0.95), 0.6058, 5e-5);
  EXPECT_NEAR(lowerBound(90, 100, 0.95), 0.8363, 5e-5);
  EXPECT_EQ(lowerBound(0, 10, 0.95), 0);
  EXPECT_EQ(lowerBound(0, 0, 0.95), 0);
}

using CalibrationTest = test::FakeSessionTest;

/// The fake model puts 100 on one token; a part without layer l puts it 2 << l further.
TEST_F(CalibrationTest, ComparesPartsWithTheWhole) {
  start({.Sequences = 3});
  std::vector<std::shared_ptr<const LayerMask>> Parts = {
      LayerMask::parse("0-2", "", Code->manifest(), Diags),
      LayerMask::parse("", "1", Code->manifest(), Diags)};
  DepthMeter Meter(*Run, Parts);
  // The sums are 1, 2, 3 and 6; without layer 1 they are 4 more.
  ASSERT_TRUE(Meter.add({{1, 1, 1, 3, 2}, 1}, Diags)) << Diags.str();
  const DepthScore &Same = Meter.scores()[0], &Other = Meter.scores()[1];
  EXPECT_EQ(Same.Positions, 4);
  EXPECT_EQ(Same.Agreeing, 4);
  EXPECT_NEAR(Same.divergence(), 0, 1e-6);
  EXPECT_NEAR(Same.perplexityRatio(), 1, 1e-6);
  EXPECT_EQ(Other.Positions, 4);
  EXPECT_EQ(Other.Agreeing, 0);
  EXPECT_NEAR(Other.divergence(), 100, 1e-3);
  // Of a prompt of three tokens nothing counts but what follows it.
  ASSERT_TRUE(Meter.add({{1, 1, 1, 3, 2}, 3}, Diags)) << Diags.str();
  EXPECT_EQ(Meter.scores()[0].Positions, 6);
  // Sequences are left for the next text.
  ASSERT_TRUE(Meter.add({{2}, 1}, Diags)) << Diags.str();
  EXPECT_EQ(Meter.scores()[0].Positions, 6);
}

TEST(DepthRule, RefusesWhatDoesNotPay) {
  DepthPoint Point = {.Skipped = {3}, .Time = 0.9, .Text = {1000, 990}, .Own = {1000, 995}};
  EXPECT_EQ(DepthRule().refusal(Point), "");
  Point.Time = 0.96;
  EXPECT_EQ(DepthRule().refusal(Point), "gain below 5 %");
  // The worse of the two kinds of text counts, and a bound, not the mean.
  Point.Own.Agreeing = 955;
  EXPECT_EQ(DepthRule().refusal(Point), "agreement below 95 %, gain below 5 %");
  Point.Time = 0.5;
  EXPECT_EQ(DepthRule().refusal(Point), "agreement below 95 %");
  EXPECT_EQ((DepthRule{.Floor = 0.9}).refusal(Point), "");
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

// clang-format off
const std::string Sound = R"json({"lathe_calibration":1,"model":{"header_hash":"abc"},"points":[
{"skip":"3","time":0.9,"agreement":0.97,"refused":""},
{"skip":"3,5","time":0.8,"agreement":0.96,"refused":""},
{"skip":"3,5,7","time":0.7,"agreement":0.99,"refused":"gain below 5 %"},
{"skip":"3,5,8","time":0.6,"agreement":0.9,"refused":""}]})json";
// clang-format on

TEST(Calibration, ChoosesTheBestThatFits) {
  Diagnostics Diags;
  std::optional<Calibration> Read = Calibration::parse(Sound, "m.cal", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  auto Chosen = [&](double Budget, double Quality) {
    std::optional<OperatingPoint> Point = Read->choose({Budget, Quality}, "m.cal", Diags);
    return Point ? "'" + Point->Skip + "'" : "none";
  };
  EXPECT_EQ(Chosen(1, 0), "''");
  EXPECT_EQ(Chosen(0.95, 0), "'3'");
  EXPECT_EQ(Chosen(0.9, 0), "'3'");
  EXPECT_EQ(Chosen(0.85, 0), "'3,5'");
  // 3,5,7 was refused, however well it agrees.
  EXPECT_EQ(Chosen(0.75, 0), "'3,5,8'");
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_EQ(Chosen(0.75, 0.95), "none");
  EXPECT_EQ(Chosen(0.5, 0), "none");
  EXPECT_EQ(Diags.errorCount(), 2u);
  EXPECT_EQ(Diags.all()[0].Number, 845u);
  EXPECT_NE(
      Diags.str().find("takes at most 0.75 of its time; the fastest that is offered takes 0.80"),
      std::string::npos)
      << Diags.str();
}

TEST(Calibration, BelongsToAModel) {
  Diagnostics Diags;
  const uint8_t Header[] = {1, 2, 3};
  Calibration Own{hexText(hashBlocks(Header)), {}};
  EXPECT_TRUE(Own.checkModel(Header, "m.cal", Diags));
  EXPECT_FALSE((Calibration{"abc", {}}).checkModel(Header, "m.cal", Diags));
  EXPECT_EQ(Diags.all()[0].Number, 844u);
}

TEST(Calibration, RefusesWhatIsNone) {
  auto With = [](const std::string &From, const std::string &To) {
    std::string Text = Sound;
    return Text.replace(Text.find(From), From.size(), To);
  };
  const std::string Bad[] = {"",
                             "[]",
                             "{}",
                             With("\"lathe_calibration\":1", "\"lathe_calibration\":2"),
                             With("\"abc\"", "7"),
                             With("\"points\":[", "\"points\":{}, \"x\":["),
                             With("0.9,", "0,"),
                             With("0.9,", "1e400,"),
                             With("0.97", "1.5"),
                             With("\"3\"", "\"\""),
                             With("\"refused\":\"\"", "\"refused\":false")};
  for (const std::string &Text : Bad) {
    Diagnostics Diags;
    EXPECT_FALSE(Calibration::parse(Text, "m.cal", Diags)) << Text;
    ASSERT_EQ(Diags.errorCount(), 1u);
    EXPECT_EQ(Diags.all()[0].Number, 843u);
  }
}

} // namespace
