//===- Timed.h - How long something takes -----------------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_TIMED_H
#define LATHE_RUNTIME_SUPPORT_TIMED_H

#include <chrono>

namespace lathe {

/// Milliseconds that `Body` takes are added to `Total`; gives what it returns.
template <typename Callable> auto timed(double &Total, Callable Body) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point Start = Clock::now();
  auto Result = Body();
  Total += std::chrono::duration<double, std::milli>(Clock::now() - Start).count();
  return Result;
}

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_TIMED_H
