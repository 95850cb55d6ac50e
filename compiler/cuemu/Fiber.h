//===- Fiber.h - Threads that one processor runs in turn --------*- C++ -*-===//

#ifndef LATHE_COMPILER_CUEMU_FIBER_H
#define LATHE_COMPILER_CUEMU_FIBER_H

#include <cstddef>
#include <cstdint>

namespace lathe::cuemu {

/// A stack, and what was running on it.  `resume` runs it until it pauses or ends.
class Fiber {
public:
  Fiber() = default;
  Fiber(const Fiber &) = delete;
  Fiber &operator=(const Fiber &) = delete;

  /// Makes `entry(argument)` what the next `resume` starts, on `bytes` of stack at
  /// `memory`, which the caller owns.
  void start(void *memory, size_t bytes, void (*entry)(void *), void *argument);
  void resume();
  /// Back to who called `resume`; from inside the fiber only.
  void pause();
  bool isDone() const { return done; }

private:
  static void run(Fiber *fiber);

  void *own = nullptr, *caller = nullptr; ///< Stack pointers.
  void (*entry)(void *) = nullptr;
  void *argument = nullptr;
  bool done = false;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_FIBER_H
