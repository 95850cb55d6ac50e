//===- SamplerTest.cpp - From logits to a token ---------------------------===//

#include "runtime/session/Sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

constexpr float Infinity = std::numeric_limits<float>::infinity();
constexpr float NaN = std::numeric_limits<float>::quiet_NaN();

Sampler make(const SamplerOptions &Options) {
  Diagnostics Diags;
  std::optional<Sampler> Made = Sampler::create(Options, Diags);
  EXPECT_TRUE(Made) << Diags.str();
  return *Made;
}

int32_t sample(Sampler &From, const std::vector<float> &Logits) {
  Diagnostics Diags;
  std::optional<int32_t> Token = From.sample(Logits, Diags);
  EXPECT_TRUE(Token) << Diags.str();
  return Token.value_or(-1);
}

std::map<int32_t, int> histogram(const SamplerOptions &Options, const std::vector<float> &Logits,
                                 int Draws) {
  Sampler From = make(Options);
  std::map<int32_t, int> Counts;
  for (int I = 0; I < Draws; ++I)
    ++Counts[sample(From, Logits)];
  return Counts;
}

std::set<int32_t> support(const SamplerOptions &Options, const std::vector<float> &Logits) {
  std::set<int32_t> IDs;
  for (auto [ID, Count] : histogram(Options, Logits, 3000))
    IDs.insert(ID);
  return IDs;
}

/// Logits of these probabilities.
std::vector<float> logitsOf(std::initializer_list<double> Probabilities) {
  std::vector<float> Logits;
  for (double P : Probabilities)
    Logits.push_back(static_cast<float>(std::log(P)));
  return Logits;
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  Sampler From = make({});
  EXPECT_EQ(sample(From, {1, 5, 5, -2}), 1);
  EXPECT_EQ(sample(From, {-Infinity, -3, -Infinity}), 1);
}

TEST(Sampler, FollowsTheDistribution) {
  std::map<int32_t, int> Counts =
      histogram({.Temperature = 1, .Seed = 1}, logitsOf({0.1, 0.6, 0.3}), 20000);
  EXPECT_NEAR(Counts[0] / 20000.0, 0.1, 0.02);
  EXPECT_NEAR(Counts[1] / 20000.0, 0.6, 0.02);
  EXPECT_NEAR(Counts[2] / 20000.0, 0.3, 0.02);
}

TEST(Sampler, TemperatureSharpens) {
  // Probabilities go with the power 1 / 0.5: 0.2^2 : 0.8^2 = 1 : 16.
  std::map<int32_t, int> Counts =
      histogram({.Temperature = 0.5, .Seed = 2}, logitsOf({0.2, 0.8}), 20000);
  EXPECT_NEAR(Counts[0] / 20000.0, 1.0 / 17, 0.01);
}

TEST(Sampler, TopKKeepsTheBest) {
  std::vector<float> Logits = logitsOf({0.1, 0.3, 0.2, 0.3, 0.1});
  EXPECT_EQ(support({.Temperature = 1, .TopK = 2}, Logits), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(support({.Temperature = 1, .TopK = 4}, Logits), (std::set<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(support({.Temperature = 1, .TopK = 99}, Logits).size(), 5u);
}

TEST(Sampler, TellsHowManyLogitsDecide) {
  EXPECT_EQ(make({}).greatestLogits(), 1);
  EXPECT_EQ(make({.Temperature = 0, .TopK = 500}).greatestLogits(), 1);
  EXPECT_EQ(make({.Temperature = 1, .TopK = 40, .TopP = 0.9}).greatestLogits(), 40);
  EXPECT_EQ(make({.Temperature = 1, .TopK = 64}).greatestLogits(), 64);
  EXPECT_EQ(make({.Temperature = 1, .TopK = 65}).greatestLogits(), 0);
  EXPECT_EQ(make({.Temperature = 1, .TopP = 0.9}).greatestLogits(), 0);
}

/// Whatever is not among the greatest may be ruled out or not, and the tokens are the same.
TEST(Sampler, OnlyTheGreatestLogitsDecide) {
  std::mt19937_64 Random(3);
  std::vector<float> All(300);
  for (float &Logit : All)
    Logit = static_cast<float>(Random() % 1000) / 50 - 10;
  std::vector<float> Sorted = All;
  std::sort(Sorted.begin(), Sorted.end(), std::greater<>());
  // At the lowest temperature the weights of all but a few are 0.
  for (double Temperature : {0.0, 0.002, 0.7, 1.5})
    for (int64_t TopK : {1, 5, 40, 64})
      for (double TopP : {1.0, 0.8}) {
        SamplerOptions Options = {
            .Temperature = Temperature, .TopK = TopK, .TopP = TopP, .MinP = 0.01, .Seed = 9};
        Sampler Whole = make(Options), Few = make(Options);
        std::vector<float> Screened = All;
        float Least = Sorted[static_cast<size_t>(Few.greatestLogits()) - 1];
        for (size_t I = 0; I < Screened.size(); ++I)
          if (Screened[I] < Least && I % 3 != 0)
            Screened[I] = -Infinity;
        for (int I = 0; I < 100; ++I)
          ASSERT_EQ(sample(Whole, All), sample(Few, Screened)) << Temperature << " " << TopK;
      }
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  std::vector<float> Logits = logitsOf({0.15, 0.5, 0.05, 0.3});
  EXPECT_EQ(support({.Temperature = 1, .TopP = 0.4}, Logits), (std::set<int32_t>{1}));
  EXPECT_EQ(support({.Temperature = 1, .TopP = 0.7}, Logits), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(support({.Temperature = 1, .TopP = 0.9}, Logits), (std::set<int32_t>{0, 1, 3}));
}

TEST(Sampler, TopPSortsAsFarAsNeeded) {
  // 1000 equal tokens: the lowest 500 ids are the fewest that reach one half.
  std::vector<float> Logits(1000, 0.0f);
  std::set<int32_t> IDs = support({.Temperature = 1, .TopP = 0.5}, Logits);
  EXPECT_LE(*IDs.rbegin(), 500);
  EXPECT_GT(IDs.size(), 450u);
}

TEST(Sampler, MinPIsRelativeToTheBest) {
  std::vector<float> Logits = logitsOf({0.5, 0.2, 0.04, 0.26});
  EXPECT_EQ(support({.Temperature = 1, .MinP = 0.3}, Logits), (std::set<int32_t>{0, 1, 3}));
  EXPECT_EQ(support({.Temperature = 1, .MinP = 1}, Logits), (std::set<int32_t>{0}));
}

TEST(Sampler, SameSeedSameTokens) {
  std::vector<float> Logits;
  for (int I = 0; I < 100; ++I)
    Logits.push_back(static_cast<float>(I % 7));
  SamplerOptions Options = {.Temperature = 0.9, .TopK = 50, .TopP = 0.95, .Seed = 42};
  Sampler First = make(Options), Second = make(Options);
  for (int I = 0; I < 200; ++I)
    ASSERT_EQ(sample(First, Logits), sample(Second, Logits));
}

TEST(Sampler, DrawIsTheSameEverywhere) {
  // The first outputs of mt19937_64 with its default seed, times 2^-64 (C++
  // standard, [rand.predef] fixes the generator), scaled to 1000 equal tokens.
  std::vector<float> Logits(1000, 0.0f);
  Sampler From = make({.Temperature = 1, .Seed = 5489});
  std::mt19937_64 Reference(5489);
  for (int I = 0; I < 10; ++I)
    EXPECT_EQ(sample(From, Logits),
              static_cast<int32_t>(static_cast<double>(Reference() >> 11) * 0x1p-53 * 1000));
}

TEST(Sampler, RefusesBadLogits) {
  Sampler From = make({});
  for (const std::vector<float> &Logits :
       {std::vector<float>{1, NaN, 2}, {1, Infinity}, {-Infinity, -Infinity}, {}}) {
    Diagnostics Diags;
    EXPECT_FALSE(From.sample(Logits, Diags));
    ASSERT_EQ(Diags.errorCount(), 1u);
    EXPECT_EQ(Diags.all()[0].Number, 809u);
  }
}

TEST(Sampler, NeverDrawsWhatIsRuledOut) {
  EXPECT_EQ(support({.Temperature = 2}, {-Infinity, 0, -Infinity, 0}), (std::set<int32_t>{1, 3}));
}

TEST(Sampler, RefusesBadOptionsAllAtOnce) {
  Diagnostics Diags;
  SamplerOptions Bad = {.Temperature = NaN, .TopK = -1, .TopP = 0, .MinP = 1.5};
  EXPECT_FALSE(Sampler::create(Bad, Diags));
  EXPECT_EQ(Diags.errorCount(), 4u);
  EXPECT_EQ(Diags.exitCode(), ExitCode::Usage);
}

} // namespace
