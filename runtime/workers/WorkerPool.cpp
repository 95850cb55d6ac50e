//===- WorkerPool.cpp - Persistent threads and their barrier ----*- C++ -*-===//

#include "runtime/workers/WorkerPool.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include <sched.h>

namespace lathe {

/// How long a worker spins before it sleeps: longer than a phase's imbalance,
/// shorter than what a person or another process would notice.
static constexpr int64_t DefaultSpinNanoseconds = 50'000;

unsigned WorkerPool::availableCores() {
  cpu_set_t Set;
  CPU_ZERO(&Set);
  if (sched_getaffinity(0, sizeof(Set), &Set) != 0)
    return 1;
  return std::max(1, CPU_COUNT(&Set));
}

WorkerPool::WorkerPool(unsigned Workers)
    : NumWorkers(Workers), Rounds(std::bit_width(Workers - 1)),
      // With more workers than cores, whoever spins keeps another from working.
      SpinNanoseconds(Workers <= availableCores() ? DefaultSpinNanoseconds : 0),
      Lanes(std::make_unique<Lane[]>(Workers)) {
  static_assert((1u << MaxRounds) >= MaxWorkers);
  for (unsigned I = 0; I < Workers; ++I) {
    Lanes[I].Pool = this;
    Lanes[I].Worker = I;
  }
}

std::unique_ptr<WorkerPool> WorkerPool::create(unsigned Workers, Diagnostics &Diags) {
  if (Workers == 0)
    Workers = std::min(availableCores(), MaxWorkers);
  if (Workers > MaxWorkers) {
    Diags.error(812, "threads",
                "found " + std::to_string(Workers) + ", expected at most " +
                    std::to_string(MaxWorkers),
                "this machine has " + std::to_string(availableCores()) + " cores to run on");
    return nullptr;
  }
  std::unique_ptr<WorkerPool> Pool(new WorkerPool(Workers));
  if (!Pool->startThreads(Diags))
    return nullptr;
  return Pool;
}

bool WorkerPool::startThreads(Diagnostics &Diags) {
  Threads.reserve(NumWorkers - 1);
  for (int64_t Worker = 1; Worker < NumWorkers; ++Worker) {
    pthread_t Thread;
    int Error = pthread_create(&Thread, nullptr, &WorkerPool::threadMain, &Lanes[Worker]);
    if (Error != 0) {
      Diags.error(811, "threads",
                  "started " + std::to_string(Worker) + " of " + std::to_string(NumWorkers) + ": " +
                      std::strerror(Error),
                  "ask for fewer threads");
      return false;
    }
    Threads.push_back(Thread);
  }
  return true;
}

WorkerPool::~WorkerPool() {
  // A null body tells the threads to end; nobody waits at a barrier for them,
  // as some may never have been started.
  CurrentBody = nullptr;
  Start.publish(++Started);
  for (pthread_t Thread : Threads)
    pthread_join(Thread, nullptr);
}

void WorkerPool::runErased(ErasedBody Body, void *Context) {
  std::lock_guard<std::mutex> Guard(Turn);
  if (NumWorkers == 1)
    return Body(Context, 0, 1);
  CurrentBody = Body;
  CurrentContext = Context;
  Start.publish(++Started);
  Body(Context, 0, NumWorkers);
  barrier(0);
}

void *WorkerPool::threadMain(void *LanePointer) {
  auto *Own = static_cast<Lane *>(LanePointer);
  Own->Pool->serve(Own->Worker);
  return nullptr;
}

void WorkerPool::serve(int64_t Worker) {
  for (uint32_t Next = 1;; ++Next) {
    Start.waitFor(Next, SpinNanoseconds);
    if (!CurrentBody)
      return;
    CurrentBody(CurrentContext, Worker, NumWorkers);
    barrier(Worker);
  }
}

void WorkerPool::barrier(int64_t Worker) {
  Lane &Own = Lanes[Worker];
  uint32_t Epoch = ++Own.Epoch;
  for (unsigned Round = 0; Round < Rounds; ++Round) {
    int64_t Partner = (Worker + (int64_t(1) << Round)) % NumWorkers;
    Lanes[Partner].Signals[Round].publish(Epoch);
    Own.Signals[Round].waitFor(Epoch, SpinNanoseconds);
  }
}

void WorkerPool::barrierCallback(void *Context, int64_t Worker) {
  static_cast<WorkerPool *>(Context)->barrier(Worker);
}

} // namespace lathe
