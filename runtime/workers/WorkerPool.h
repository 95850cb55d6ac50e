//===- WorkerPool.h - Persistent threads and their barrier ------*- C++ -*-===//
//
// The workers of compiled programs.  A step enters all workers once and they
// stay inside it, meeting at barriers, so that neither the start of a step nor
// a barrier costs a system call while work is dense: every wait spins for a
// bounded time and only then sleeps on a futex.
//
// The barrier is the dissemination barrier of Hensgen, Finkel and Manber ("Two
// algorithms for barrier synchronization", 1988): in round r, worker w signals
// worker w + 2^r and waits for worker w - 2^r.  For two workers that is one
// flag each way, and no word is ever written by more than one worker.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_WORKERS_WORKERPOOL_H
#define LATHE_RUNTIME_WORKERS_WORKERPOOL_H

#include "runtime/support/Diagnostics.h"
#include "runtime/workers/WaitWord.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include <pthread.h>

namespace lathe {

class WorkerPool {
public:
  static constexpr unsigned MaxWorkers = 256;

  /// Starts `Workers` - 1 threads; the caller of `run` is worker 0.  `Workers`
  /// = 0 asks for one per core this process may run on.  Null, with an error,
  /// when there are more than MaxWorkers or a thread cannot be started.
  static std::unique_ptr<WorkerPool> create(unsigned Workers, Diagnostics &Diags);

  /// Cores that this process may run on (its affinity mask), at least 1.
  static unsigned availableCores();

  WorkerPool(const WorkerPool &) = delete;
  WorkerPool &operator=(const WorkerPool &) = delete;
  ~WorkerPool();

  int64_t workers() const { return NumWorkers; }

  /// Calls `Body(worker, workers)` on every worker and returns when all are
  /// done.  Calls from several threads take turns; never call it from a body.
  template <typename Callable> void run(Callable &&Body) {
    using Type = std::remove_reference_t<Callable>;
    runErased([](void *Context, int64_t Worker,
                 int64_t Workers) { (*static_cast<Type *>(Context))(Worker, Workers); },
              const_cast<void *>(static_cast<const void *>(&Body)));
  }

  /// Inside a body: returns when all workers have called it.  Every worker of a
  /// body must reach the same number of barriers.
  void barrier(int64_t Worker);

  /// `barrier` as compiled code calls it (lathe_step_args::barrier); `Context`
  /// is the pool.
  static void barrierCallback(void *Context, int64_t Worker);

private:
  using ErasedBody = void (*)(void *Context, int64_t Worker, int64_t Workers);
  static constexpr unsigned MaxRounds = 8;

  /// What one worker owns; nothing of it shares a cache line with another's.
  struct alignas(CacheLineBytes) Lane {
    WaitWord Signals[MaxRounds]; ///< Written by the partner of that round.
    uint32_t Epoch = 0;          ///< Barriers passed; its own worker's alone.
    WorkerPool *Pool = nullptr;
    int64_t Worker = 0;
  };

  explicit WorkerPool(unsigned Workers);
  bool startThreads(Diagnostics &Diags);
  void runErased(ErasedBody Body, void *Context);
  static void *threadMain(void *LanePointer);
  void serve(int64_t Worker);

  int64_t NumWorkers;
  unsigned Rounds = 0;
  int64_t SpinNanoseconds;
  std::unique_ptr<Lane[]> Lanes;
  std::vector<pthread_t> Threads;

  std::mutex Turn;      ///< Held by the caller of `run`.
  WaitWord Start;       ///< Publishes Started; all other workers wait on it.
  uint32_t Started = 0; ///< Bodies started so far.
  ErasedBody CurrentBody = nullptr;
  void *CurrentContext = nullptr;
};

} // namespace lathe

#endif // LATHE_RUNTIME_WORKERS_WORKERPOOL_H
