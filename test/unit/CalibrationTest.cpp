//===- CalibrationTest.cpp - What a part of a model is worth --------------===//

#include "runtime/adaptive/Calibration.h"
#include "runtime/adaptive/DepthCalibration.h"
#include "runtime/adaptive/ExitCalibration.h"
#include "runtime/adaptive/NeuronOrder.h"
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
// Exits
//===----------------------------------------------------------------------===//

/// Two exits.  The first is sure of i / 1000 and right where that is at least `RightFrom`, the
/// second is sure of all and always right.
ExitSamples samplesOf(int RightFrom) {
  ExitSamples Samples;
  Samples.Exits.resize(2);
  for (int I = 0; I < 1000; ++I) {
    Samples.Exits[0].Confidence.push_back(static_cast<float>(I) / 1000);
    Samples.Exits[0].Agrees.push_back(I >= RightFrom);
    Samples.Exits[0].Loss.push_back(3);
    Samples.Exits[1].Confidence.push_back(1);
    Samples.Exits[1].Agrees.push_back(true);
    Samples.Exits[1].Loss.push_back(2);
    Samples.WholeLoss.push_back(1);
  }
  return Samples;
}

TEST(ExitPolicy, LeavesWhereItSaysSo) {
  ExitSamples Samples = samplesOf(400);
  EXPECT_EQ((ExitPolicy{.Always = 1}).leaves(Samples, 999), 1u);
  EXPECT_EQ((ExitPolicy{.Threshold = 0.5F}).leaves(Samples, 500), 0u);
  EXPECT_EQ((ExitPolicy{.Threshold = 0.5F}).leaves(Samples, 499), 1u);
  EXPECT_EQ((ExitPolicy{.Threshold = 1.5F}).leaves(Samples, 499), 2u);
  EXPECT_EQ(ExitPolicy().leaves(Samples, 0), 2u);
  EXPECT_EQ((ExitPolicy{.Always = 1}).text({4, 6}), "always-at:6");
  EXPECT_EQ((ExitPolicy{.Threshold = 0.5F}).text({4, 6}), "threshold:0.5");
  EXPECT_EQ(ExitPolicy().text({4, 6}), "never");
}

TEST(ExitPolicy, IsOneOfThree) {
  EXPECT_TRUE(ExitPolicy{.Threshold = 0.5F}.isThreshold());
  EXPECT_FALSE(ExitPolicy{.Always = 1}.isThreshold());
  EXPECT_FALSE(ExitPolicy().isThreshold());
}

TEST(ExitPolicy, IsScored) {
  DepthScore Score = scoreExits({.Threshold = 0.3F}, samplesOf(400));
  EXPECT_EQ(Score.Positions, 1000);
  EXPECT_EQ(Score.Agreeing, 900);
  EXPECT_NEAR(Score.PartLoss, 700 * 3 + 300 * 2, 1e-9);
  EXPECT_NEAR(Score.WholeLoss, 1000, 1e-9);
}

TEST(ExitPolicy, TriesThresholdsEvenly) {
  std::vector<float> Tried = seenThresholds(samplesOf(400), samplesOf(100));
  ASSERT_EQ(Tried.size(), 256U);
  EXPECT_TRUE(std::ranges::is_sorted(Tried));
  // Half of the 4000 confidences are 1, the others go up evenly.
  EXPECT_EQ(Tried.front(), 0.0F);
  EXPECT_EQ(Tried.back(), 1.0F);
  EXPECT_NEAR(Tried[64], 0.5F, 0.01F);
}

/// One more that differs would break the bound.
TEST(ExitPolicy, KnowsHowManyMayDiffer) {
  for (double Target : {0.99, 0.95, 0.9})
    for (int64_t Positions : {1000, 299, 320}) {
      int64_t Most = mostDiffering(Target, Positions);
      ASSERT_GE(Most, 0);
      EXPECT_GE(lowerBound(Positions - Most, Positions, 0.95), Target);
      EXPECT_LT(lowerBound(Positions - Most - 1, Positions, 0.95), Target);
    }
  EXPECT_EQ(mostDiffering(0.99, 299), 0);
  EXPECT_EQ(mostDiffering(0.99, 298), -1);
  EXPECT_EQ(mostDiffering(0.0, 10), 9);
}

TEST(ExitPolicy, IsRefusedWithoutAThreshold) {
  ExitPoint Point = {.Policy = {}, .Target = 0.9, .Text = {}, .Own = {}};
  EXPECT_EQ(Point.refusal({}), "no threshold keeps 90 %");
}

TEST(ExitPoint, TheWorseOfBothTextsCounts) {
  ExitPoint Point = {.Policy = {.Always = 0}, .Text = {1000, 990}, .Own = {1000, 995}};
  Point.Time = 0.5;
  EXPECT_EQ(Point.refusal({}), "");
  EXPECT_NEAR(Point.leastAgreement(), lowerBound(990, 1000, 0.95), 1e-12);
  Point.Text = {1000, 900};
  EXPECT_EQ(Point.refusal({}), "agreement below 95 %");
  Point.Time = 0.99;
  Point.Text = {1000, 995};
  EXPECT_NE(Point.refusal({}), "");
  Point.Left = {3, 1};
  EXPECT_NEAR(Point.meanOf({1, 5}), 2, 1e-12);
}

TEST(DefaultExits, AreInTheUpperHalf) {
  EXPECT_EQ(defaultExits(30), (std::vector<int64_t>{19, 22, 25, 28}));
  EXPECT_EQ(defaultExits(18), (std::vector<int64_t>{10, 12, 14, 16}));
  EXPECT_EQ(defaultExits(2), std::vector<int64_t>{0});
  EXPECT_TRUE(defaultExits(1).empty());
}

/// Rows of two features, of which the second tells.
RowSet rowsOf(std::initializer_list<float> Second) {
  RowSet Rows{2, {}};
  for (float Each : Second)
    Rows.Values.insert(Rows.Values.end(), {7, Each});
  return Rows;
}

TEST(FitPredicate, GivesBackShares) {
  RowSet Rows = rowsOf({-1, 1, -1, 1, -1, 1, -1, 1});
  // All of one kind: (n + 1) / (n + 2), whatever the row.
  ExitPredicate All = fitPredicate(Rows, std::vector<bool>(8, true));
  EXPECT_NEAR(All.confidence(Rows.row(0)), 0.9, 1e-4);
  EXPECT_NEAR(All.confidence(Rows.row(1)), 0.9, 1e-4);
  // What tells the two apart is used, what does not vary is not.
  ExitPredicate Some = fitPredicate(Rows, {false, true, false, true, false, true, false, true});
  EXPECT_EQ(Some.Weights[0], 0);
  EXPECT_LT(Some.confidence(Rows.row(0)), 0.25);
  EXPECT_GT(Some.confidence(Rows.row(1)), 0.75);
  EXPECT_NEAR(Some.confidence(Rows.row(0)) + Some.confidence(Rows.row(1)), 1, 1e-5);
}

/// What later layers add is an affine map of what they are given.
TEST(FitLens, FindsWhatIsAffine) {
  RowSet Hidden{2, {}}, Final{2, {}};
  for (int I = 0; I < 64; ++I) {
    float X = static_cast<float>(I % 8) - 3.5F, Y = static_cast<float>(I / 8) - 3.5F;
    Hidden.Values.insert(Hidden.Values.end(), {X, Y});
    Final.Values.insert(Final.Values.end(), {X + 2, Y + 2 * X});
  }
  ExitLens Same = fitLens(Hidden, Hidden, 0);
  EXPECT_EQ(Same.Matrix, (std::vector<float>{0, 0, 0, 0}));
  EXPECT_EQ(Same.apply(Hidden).Values, Hidden.Values);
  ExitLens Lens = fitLens(Hidden, Final, 0), Narrow = fitLens(Hidden, Final, 1);
  EXPECT_NEAR(Lens.Offset[0], 2, 0.05);
  EXPECT_NEAR(Lens.Matrix[2], 2, 0.05);
  EXPECT_NEAR(Lens.Matrix[0], 0, 0.05);
  // The map is of rank 1.
  ASSERT_EQ(Narrow.In.size(), 2u);
  ASSERT_EQ(Narrow.Matrix.size(), 2u);
  RowSet Whole = Lens.apply(Hidden), Part = Narrow.apply(Hidden);
  for (size_t I = 0; I < Whole.Values.size(); ++I)
    EXPECT_NEAR(Whole.Values[I], Part.Values[I], 0.05);
}

//===----------------------------------------------------------------------===//
// Neurons
//===----------------------------------------------------------------------===//

TEST(NeuronOrder, PutsTheMostImportantFirst) {
  using Places = std::vector<int32_t>;
  const double Importance[] = {1, 4, 2, 2, 0, 5};
  EXPECT_EQ(orderByImportance(Importance, 1), (Places{5, 1, 2, 3, 0, 4}));
  // Blocks are worth the sum of theirs, and stay as they are; of equals the first is ahead.
  EXPECT_EQ(orderByImportance(Importance, 2), (Places{0, 1, 4, 5, 2, 3}));
  EXPECT_EQ(orderByImportance(Importance, 3), (Places{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(orderByImportance(Importance, 6), (Places{0, 1, 2, 3, 4, 5}));
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

// clang-format off
const std::string Sound = R"json({"lathe_calibration":2,"model":{"header_hash":"abc"},"points":[
{"skip":"3","time":0.9,"agreement":0.97,"refused":""},
{"skip":"3,5","time":0.8,"agreement":0.96,"refused":""},
{"skip":"3,5,7","time":0.7,"agreement":0.99,"refused":"gain below 5 %"},
{"skip":"3,5,8","time":0.6,"agreement":0.9,"refused":""},
{"exit":"threshold:0.5","time":0.5,"agreement":0.8,"refused":""},
{"exit":"threshold:0.75","time":0.55,"agreement":0.85,"refused":""},
{"exit":"threshold:0.9","time":0.55,"agreement":0.99,"refused":"gain below 5 %"},
{"exit":"always-at:4","time":0.4,"agreement":0.5,"refused":"agreement below 95 %"}],
"exits":{"layers":[4,6],"rank":8}})json";
// clang-format on

TEST(Calibration, ChoosesTheBestThatFits) {
  Diagnostics Diags;
  std::optional<Calibration> Read = Calibration::parse(Sound, "m.cal", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  auto Chosen = [&](double Budget, double Quality) {
    std::optional<OperatingPoint> Point = Read->choose({Budget, Quality}, "m.cal", Diags);
    return Point ? "'" + Point->Skip + Point->Exit + "'" : "none";
  };
  EXPECT_EQ(Chosen(1, 0), "''");
  EXPECT_EQ(Chosen(0.95, 0), "'3'");
  EXPECT_EQ(Chosen(0.9, 0), "'3'");
  EXPECT_EQ(Chosen(0.85, 0), "'3,5'");
  // 3,5,7 was refused, however well it agrees.
  EXPECT_EQ(Chosen(0.75, 0), "'3,5,8'");
  EXPECT_EQ(Chosen(0.55, 0), "'threshold:0.75'");
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_EQ(Chosen(0.75, 0.95), "none");
  EXPECT_EQ(Chosen(0.4, 0), "none");
  EXPECT_EQ(Diags.errorCount(), 2u);
  EXPECT_EQ(Diags.all()[0].Number, 845u);
  EXPECT_NE(
      Diags.str().find("takes at most 0.75 of its time; the fastest that is offered takes 0.80"),
      std::string::npos)
      << Diags.str();
}

TEST(Calibration, OffersWidths) {
  Diagnostics Diags;
  std::string Text = Sound;
  Text.insert(Text.find("{\"skip\":\"3\""),
              R"({"width":"0.75","time":0.86,"agreement":0.98,"refused":""},)"
              R"({"width":"0.5","time":0.7,"agreement":0.6,"refused":"agreement below 95 %"},)");
  Text.insert(Text.find("\"exits\""), "\"orders_neurons\":true,");
  std::optional<Calibration> Read = Calibration::parse(Text, "m.cal", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  EXPECT_TRUE(Read->OrdersNeurons);
  EXPECT_FALSE(Calibration::parse(Sound, "m.cal", Diags)->OrdersNeurons);
  EXPECT_EQ(Read->choose({0.88, 0}, "m.cal", Diags)->Width, "0.75");
  EXPECT_EQ(Read->choose({0.81, 0}, "m.cal", Diags)->Skip, "3,5");
  EXPECT_EQ(Read->find("", "0.5").front().Agreement, 0.6);
  EXPECT_TRUE(Read->find("", "0.25").empty());
  EXPECT_EQ(Read->widthPasses("cse", 1),
            "cse,lathe-choose-widths{unasked=1.000000 file=calibration}");
  EXPECT_EQ(Calibration().widthPasses("", 0.5), "lathe-choose-widths{unasked=0.500000}");
  // A point is one thing.
  Text.replace(Text.find("\"width\":\"0.75\""), 14, "\"width\":\"0.75\",\"skip\":\"1\"");
  EXPECT_FALSE(Calibration::parse(Text, "m.cal", Diags));
}

TEST(Calibration, OffersExits) {
  Diagnostics Diags;
  std::optional<Calibration> Read = Calibration::parse(Sound, "m.cal", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  EXPECT_EQ(Read->passes(), "lathe-insert-exits{layers=4,6 rank=8 file=calibration}");
  std::string Exit;
  std::vector<OperatingPoint> Points = Read->thresholds(0, Exit, "m.cal", Diags);
  EXPECT_EQ(Exit, "threshold:0.75,0.5");
  ASSERT_EQ(Points.size(), 3u);
  EXPECT_EQ(Points[0].Agreement, 1);
  EXPECT_EQ(Points[1].Agreement, 0.85);
  EXPECT_EQ(Points[2].Agreement, 0.8);
  // Nothing below the floor is ever chosen.
  EXPECT_EQ(Read->thresholds(0.82, Exit, "m.cal", Diags).size(), 2u);
  EXPECT_EQ(Exit, "threshold:0.75");
  EXPECT_FALSE(Diags.hasErrors());
  EXPECT_TRUE(Read->thresholds(0.9, Exit, "m.cal", Diags).empty());
  EXPECT_EQ(Diags.all()[0].Number, 845u);
  EXPECT_EQ(Read->find("always-at:4").front().Agreement, 0.5);
  EXPECT_TRUE(Read->find("always-at:5").empty());
  EXPECT_TRUE(Calibration().passes().empty());
}

TEST(Calibration, BelongsToAModel) {
  Diagnostics Diags;
  const uint8_t Header[] = {1, 2, 3};
  Calibration Own, Other;
  Own.HeaderHash = hexText(hashBlocks(Header));
  Other.HeaderHash = "abc";
  EXPECT_TRUE(Own.checkModel(Header, "m.cal", Diags));
  EXPECT_FALSE(Other.checkModel(Header, "m.cal", Diags));
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
                             With("\"lathe_calibration\":2", "\"lathe_calibration\":1"),
                             With("\"abc\"", "7"),
                             With("\"points\":[", "\"points\":{}, \"x\":["),
                             With("0.9,", "0,"),
                             With("0.9,", "1e400,"),
                             With("0.97", "1.5"),
                             With("\"3\"", "\"\""),
                             With("\"refused\":\"\"", "\"refused\":false"),
                             With("\"exit\":\"threshold:0.5\"", "\"exit\":\"\""),
                             With("\"exit\":\"always-at:4\"", "\"exit\":\"x\",\"skip\":\"1\""),
                             With("[4,6]", "[4,4]"),
                             With("[4,6]", "[]"),
                             With("[4,6]", "[-1]"),
                             With("[4,6]", "[4096]"),
                             With("\"rank\":8", "\"rank\":-1")};
  for (const std::string &Text : Bad) {
    Diagnostics Diags;
    EXPECT_FALSE(Calibration::parse(Text, "m.cal", Diags)) << Text;
    ASSERT_EQ(Diags.errorCount(), 1u);
    EXPECT_EQ(Diags.all()[0].Number, 843u);
  }
}

} // namespace
