//===- WaitWord.cpp - A word to spin on, then sleep on ----------*- C++ -*-===//

#include "runtime/workers/WaitWord.h"

#include <chrono>
#include <climits>

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lathe {

static_assert(std::atomic<uint32_t>::is_always_lock_free &&
                  sizeof(std::atomic<uint32_t>) == sizeof(uint32_t),
              "the kernel reads the word itself");

static void pauseSpin() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void futex(std::atomic<uint32_t> &Word, int Operation, uint32_t Operand) {
  // All ways to return are alike to the callers, who look at the word again.
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&Word), Operation | FUTEX_PRIVATE_FLAG, Operand,
          nullptr, nullptr, 0);
}

void WaitWord::waitSlow(uint32_t Target, int64_t SpinNanoseconds) {
  // Reading the clock costs as much as some spins, so it is read once in a while.
  constexpr int SpinsPerClock = 32;
  // After this long whoever is waited for may have no core: offer this one.
  constexpr std::chrono::nanoseconds Patience(4000);
  using Clock = std::chrono::steady_clock;
  auto Begin = Clock::now(), Deadline = Begin + std::chrono::nanoseconds(SpinNanoseconds);
  for (auto Now = Begin; Now < Deadline; Now = Clock::now()) {
    if (Now - Begin > Patience)
      sched_yield();
    for (int I = 0; I < SpinsPerClock; ++I) {
      if (reached(Target))
        return;
      pauseSpin();
    }
  }
  sleep(Target);
}

void WaitWord::sleep(uint32_t Target) {
  Sleepers.fetch_add(1, std::memory_order_seq_cst);
  for (;;) {
    uint32_t Seen = Value.load(std::memory_order_seq_cst);
    if (static_cast<int32_t>(Seen - Target) >= 0)
      break;
    futex(Value, FUTEX_WAIT, Seen);
  }
  Sleepers.fetch_sub(1, std::memory_order_seq_cst);
}

void WaitWord::wakeAll() { futex(Value, FUTEX_WAKE, INT_MAX); }

} // namespace lathe
