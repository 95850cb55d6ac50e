//===- WorkerPoolTest.cpp - Persistent threads and their barrier ----------===//

#include "runtime/workers/WorkerPool.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

std::unique_ptr<WorkerPool> makePool(unsigned Workers) {
  Diagnostics Diags;
  std::unique_ptr<WorkerPool> Pool = WorkerPool::create(Workers, Diags);
  EXPECT_TRUE(Pool) << Diags.str();
  return Pool;
}

class WorkerPoolSizes : public testing::TestWithParam<unsigned> {};

TEST_P(WorkerPoolSizes, EveryWorkerRunsOnce) {
  std::unique_ptr<WorkerPool> Pool = makePool(GetParam());
  std::vector<int> Calls(GetParam());
  for (int Run = 0; Run < 50; ++Run)
    Pool->run([&](int64_t Worker, int64_t Workers) {
      EXPECT_EQ(Workers, GetParam());
      ++Calls[Worker];
    });
  for (int Count : Calls)
    EXPECT_EQ(Count, 50);
}

TEST_P(WorkerPoolSizes, BarrierSeparatesPhases) {
  // Plain memory: a sanitizer sees a race when the barrier does not order.
  constexpr int64_t Phases = 40;
  std::unique_ptr<WorkerPool> Pool = makePool(GetParam());
  std::vector<int64_t> Values(GetParam());
  std::atomic<int> Faults = 0;
  Pool->run([&](int64_t Worker, int64_t Workers) {
    for (int64_t Phase = 1; Phase <= Phases; ++Phase) {
      Values[Worker] = Phase;
      Pool->barrier(Worker);
      for (int64_t Other : Values)
        Faults += Other != Phase;
      WorkerPool::barrierCallback(Pool.get(), Worker);
    }
  });
  EXPECT_EQ(Faults, 0);
}

TEST_P(WorkerPoolSizes, CallerSeesWhatWorkersWrote) {
  std::unique_ptr<WorkerPool> Pool = makePool(GetParam());
  std::vector<int64_t> Values(GetParam());
  for (int64_t Run = 0; Run < 50; ++Run) {
    Pool->run([&](int64_t Worker, int64_t) { Values[Worker] += Run; });
    for (int64_t Value : Values)
      ASSERT_EQ(Value, Run * (Run + 1) / 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, WorkerPoolSizes, testing::Values(1, 2, 3, 4, 5, 7, 8, 13, 32, 64));

TEST(WorkerPool, SleepersWakeUp) {
  // Far beyond the time that a worker spins, between runs and at a barrier.
  std::unique_ptr<WorkerPool> Pool = makePool(3);
  constexpr auto Long = std::chrono::milliseconds(5);
  std::atomic<int> Done = 0;
  for (int64_t Run = 0; Run < 6; ++Run) {
    std::this_thread::sleep_for(Long);
    Pool->run([&](int64_t Worker, int64_t) {
      if (Worker == Run % 3)
        std::this_thread::sleep_for(Long);
      Pool->barrier(Worker);
      ++Done;
    });
  }
  EXPECT_EQ(Done, 18);
}

TEST(WorkerPool, PoolsAreIndependent) {
  std::unique_ptr<WorkerPool> Outer = makePool(2), Inner = makePool(2);
  std::atomic<int> Calls = 0;
  Outer->run([&](int64_t Worker, int64_t) {
    if (Worker == 1)
      Inner->run([&](int64_t, int64_t) { ++Calls; });
  });
  EXPECT_EQ(Calls, 2);
}

TEST(WorkerPool, ZeroMeansAllCores) {
  std::unique_ptr<WorkerPool> Pool = makePool(0);
  EXPECT_EQ(Pool->workers(), std::min(WorkerPool::availableCores(), WorkerPool::MaxWorkers));
}

TEST(WorkerPool, TooManyAreRefused) {
  Diagnostics Diags;
  EXPECT_FALSE(WorkerPool::create(1'000'000, Diags));
  EXPECT_EQ(Diags.exitCode(), ExitCode::Usage);
  EXPECT_EQ(Diags.all()[0].Number, 812u);
}

} // namespace
