//===- PointControllerTest.cpp - Holding a target, by a clock of our own ---===//

#include "runtime/adaptive/PointController.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

/// A machine on which each point takes its time, more or less.
struct Machine {
  std::vector<double> Seconds; ///< Of a step of each point.
  double Noise = 0;            ///< Relative, of a step.
  double SlowFrom = 1e9;       ///< From this step on ...
  double Slowdown = 1;         ///< ... all steps take so much longer.
  /// The part of the steps of a point that leave early; the others take the time of point 0.
  double Leaves = 1;
  uint32_t Seed = 1;
};

/// What a run of `Steps` steps took and did.
struct Trace {
  std::vector<double> Costs;
  std::vector<int64_t> Chosen;

  double mean(size_t From, size_t Count) const {
    double Sum = 0;
    for (size_t I = From; I < From + Count; ++I)
      Sum += Costs[I];
    return Sum / static_cast<double>(Count);
  }
  /// The fewest steps between two changes of the point.
  int64_t shortestStay() const {
    int64_t Shortest = 1 << 30, Since = 0;
    bool Changed = false;
    for (size_t I = 1; I < Chosen.size(); ++I) {
      ++Since;
      if (Chosen[I] == Chosen[I - 1])
        continue;
      Shortest = std::min(Shortest, Since);
      Since = 0;
      Changed = true;
    }
    return Changed ? Shortest : 1 << 30;
  }
};

Trace run(const Machine &Given, double Target, size_t Steps) {
  PointController Control(Target, static_cast<int64_t>(Given.Seconds.size()));
  std::mt19937 Random(Given.Seed);
  std::uniform_real_distribution<double> Uniform(-1, 1);
  Trace Result;
  for (size_t Step = 0; Step < Steps; ++Step) {
    int64_t Point = Control.choose();
    bool Leaves = std::abs(Uniform(Random)) < Given.Leaves;
    double Cost = Given.Seconds[Leaves ? Point : 0] * (1 + Given.Noise * Uniform(Random));
    Cost *= static_cast<double>(Step) >= Given.SlowFrom ? Given.Slowdown : 1;
    Control.told(Cost);
    Result.Costs.push_back(Cost);
    Result.Chosen.push_back(Point);
  }
  return Result;
}

constexpr double Millisecond = 1e-3;

/// Wherever a point is fast enough, the mean of 256 steps is within a tenth of the target.
TEST(PointController, HoldsATarget) {
  for (double Noise : {0.0, 0.1, 0.3})
    for (double Leaves : {1.0, 0.7})
      for (uint32_t Seed = 1; Seed <= 20; ++Seed)
        for (double Target : {3.5, 4.2, 5.0, 5.9}) {
          Machine Given = {{6, 5, 4.5, 2}, Noise, 1e9, 1, Leaves, Seed};
          for (double &Seconds : Given.Seconds)
            Seconds *= Millisecond;
          Trace Found = run(Given, Target * Millisecond, 256 + 64);
          EXPECT_NEAR(Found.mean(64, 256), Target * Millisecond, 0.1 * Target * Millisecond)
              << Noise << " " << Leaves << " " << Seed << " " << Target;
          EXPECT_GE(Found.shortestStay(), PointController::Patience);
        }
}

TEST(PointController, IsAtItsBestWhereThatIsFastEnough) {
  Trace Found = run({{6, 4, 2}, 0.2}, 8, 200);
  EXPECT_EQ(std::ranges::count(Found.Chosen, 0), 200);
}

TEST(PointController, IsAtItsFastestWhereNothingIsFastEnough) {
  Trace Found = run({{6, 4, 2}, 0.2}, 1, 200);
  EXPECT_EQ(Found.Chosen.back(), 2);
  EXPECT_EQ(std::count(Found.Chosen.begin() + 2 * PointController::Patience, Found.Chosen.end(), 2),
            200 - 2 * PointController::Patience);
}

/// What stays above the target for long is forgiven, so that the best point comes back when the
/// machine is itself again.
TEST(PointController, FollowsTheMachine) {
  Machine Given = {{6, 4, 2}, 0.1};
  Given.SlowFrom = 256;
  Given.Slowdown = 1.5;
  Trace Found = run(Given, 5, 256 + 64 + 256);
  EXPECT_NEAR(Found.mean(0, 256), 5, 0.5);
  EXPECT_NEAR(Found.mean(256 + 64, 256), 5, 0.5);
  EXPECT_GE(Found.shortestStay(), PointController::Patience);

  PointController Control(5, 2);
  for (int I = 0; I < 500; ++I)
    Control.told(Control.choose() ? 9 : 20);
  int64_t Back = 0;
  for (int I = 0; I < 200; ++I) {
    Control.told(Control.choose() ? 2 : 4.9);
    Back += Control.choose() == 0;
  }
  EXPECT_GT(Back, 100);
}

TEST(PointController, HasNoChoiceOfOne) {
  Trace Found = run({{6}, 0.1}, 1, 100);
  EXPECT_EQ(std::ranges::count(Found.Chosen, 0), 100);
}

} // namespace
