//===- BackgroundTask.h - Something done meanwhile --------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_BACKGROUNDTASK_H
#define LATHE_RUNTIME_SUPPORT_BACKGROUNDTASK_H

#include <functional>
#include <optional>
#include <utility>

#include <pthread.h>

namespace lathe {

/// Runs one function on a thread of its own, or in `start` where there can be no
/// thread.  Signals go to other threads.
class BackgroundTask {
public:
  explicit BackgroundTask(std::function<void()> Body) : Body(std::move(Body)) {}
  ~BackgroundTask() { wait(); }
  BackgroundTask(const BackgroundTask &) = delete;
  BackgroundTask &operator=(const BackgroundTask &) = delete;

  /// Once at most.
  void start();
  /// Returns when it is done, at once when it was not started.
  void wait();

private:
  std::function<void()> Body;
  std::optional<pthread_t> Thread;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_BACKGROUNDTASK_H
