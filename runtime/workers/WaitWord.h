//===- WaitWord.h - A word to spin on, then sleep on ------------*- C++ -*-===//
//
// A 32-bit counter with one writer and any number of waiters.  Waiting spins
// for a bounded time and then sleeps on a futex; publishing enters the kernel
// only when somebody sleeps.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_WORKERS_WAITWORD_H
#define LATHE_RUNTIME_WORKERS_WAITWORD_H

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lathe {

/// Two lines of 64 bytes: adjacent lines are fetched in pairs on x86.
inline constexpr size_t CacheLineBytes = 128;

class alignas(CacheLineBytes) WaitWord {
public:
  /// Makes `Value` and everything written before visible to the waiters.
  void publish(uint32_t NewValue) {
    // Both accesses are sequentially consistent, as are those of `sleep`: either
    // the sleeper is seen here, or the sleeper sees the new value.
    Value.store(NewValue, std::memory_order_seq_cst);
    if (Sleepers.load(std::memory_order_seq_cst) != 0)
      wakeAll();
  }

  /// Returns once the published value has reached `Target`, counting modulo
  /// 2^32.  Spins for about `SpinNanoseconds` first.
  void waitFor(uint32_t Target, int64_t SpinNanoseconds) {
    if (!reached(Target))
      waitSlow(Target, SpinNanoseconds);
  }

private:
  bool reached(uint32_t Target) const {
    return static_cast<int32_t>(Value.load(std::memory_order_acquire) - Target) >= 0;
  }
  void waitSlow(uint32_t Target, int64_t SpinNanoseconds);
  void sleep(uint32_t Target);
  void wakeAll();

  std::atomic<uint32_t> Value{0};
  std::atomic<uint32_t> Sleepers{0};
};

} // namespace lathe

#endif // LATHE_RUNTIME_WORKERS_WAITWORD_H
