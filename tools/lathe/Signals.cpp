//===- Signals.cpp - Ctrl-C, SIGTERM and SIGHUP -----------------------------===//

#include "tools/lathe/Signals.h"

#include "runtime/support/AtomicFile.h"

#include <csignal>
#include <ctime>
#include <pthread.h>
#include <thread>
#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

/// Within the half second that a user waits, with room for the removal of files.
static constexpr timespec GraceTime{0, 300'000'000};

static std::atomic<int> FirstSignal{0};
static std::atomic<bool> Raised{false};

static void waitForSignals(sigset_t Awaited) {
  int Signal = 0;
  while (sigwait(&Awaited, &Signal) != 0)
    continue;
  FirstSignal.store(Signal);
  Raised.store(true);
  int Second = sigtimedwait(&Awaited, nullptr, &GraceTime);
  AtomicFile::removeAllTemporaries();
  _exit(128 + (Second > 0 ? Second : Signal));
}

void cli::installSignals() {
  sigset_t Awaited;
  sigemptyset(&Awaited);
  bool Any = false;
  for (int Signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction Current{};
    sigaction(Signal, nullptr, &Current);
    if (Current.sa_handler == SIG_IGN)
      continue;
    sigaddset(&Awaited, Signal);
    Any = true;
  }
  if (!Any)
    return;
  pthread_sigmask(SIG_BLOCK, &Awaited, nullptr);
  std::thread(waitForSignals, Awaited).detach();
}

bool cli::interrupted() { return Raised.load(std::memory_order_relaxed); }

const std::atomic<bool> *cli::interruptFlag() { return &Raised; }

ExitCode cli::interruptedCode() {
  int Signal = FirstSignal.load();
  return Signal == 0 ? ExitCode::Ok : static_cast<ExitCode>(128 + Signal);
}
