//===- CrashGuard.cpp - Comes back from a crash ----------------------------===//

#include "compiler/driver/CrashGuard.h"

#include "runtime/support/Diagnostics.h"

#include "llvm/Support/ErrorHandling.h"

#include <array>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <memory>
#include <mutex>
#include <unistd.h>

using namespace lathe::compiler;

namespace {

/// The guarded call that this thread is in.
struct Guarded {
  sigjmp_buf place;
  std::array<char, 512> reason;
};
thread_local Guarded *current = nullptr;

constexpr int crashSignals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
struct sigaction previousActions[NSIG];

/// Where a signal is handled when the stack is used up.
class AlternateStack {
public:
  AlternateStack() {
    stack_t old = {};
    if (sigaltstack(nullptr, &old) != 0 || !(old.ss_flags & SS_DISABLE))
      return;
    memory = std::make_unique<char[]>(size);
    stack_t own = {};
    own.ss_sp = memory.get();
    own.ss_size = size;
    sigaltstack(&own, nullptr);
  }
  ~AlternateStack() {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    if (memory)
      sigaltstack(&none, nullptr);
  }

private:
  static constexpr size_t size = 64 << 10;
  std::unique_ptr<char[]> memory; ///< Null where the thread had one already.
};

} // namespace

/// Async-signal-safe.
[[noreturn]] static void escape(const char *reason) {
  std::strncpy(current->reason.data(), reason, current->reason.size() - 1);
  siglongjmp(current->place, 1);
}

static void handOn(int signal, siginfo_t *info, void *context) {
  const struct sigaction &before = previousActions[signal];
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
  } else {
    // Delivered with its default effect as soon as this handler returns.
    ::signal(signal, SIG_DFL);
    raise(signal);
  }
}

static void handleCrash(int signal, siginfo_t *info, void *context) {
  if (!current)
    return handOn(signal, info, context);
  char reason[96] = "SIG";
  const char *name = sigabbrev_np(signal), *meaning = sigdescr_np(signal);
  std::strncat(reason, name ? name : "NAL", 16);
  if (meaning) {
    std::strcat(reason, " (");
    std::strncat(reason, meaning, 48);
    std::strcat(reason, ")");
  }
  escape(reason);
}

static void handleFatalError(void *, const char *reason, bool) {
  if (current)
    escape(reason);
}

/// Stays for good: outside of guarded calls the handlers hand on to those that
/// were there before.
static void installHandlers() {
  static std::once_flag once;
  std::call_once(once, [] {
    for (int signal : crashSignals) {
      struct sigaction action = {};
      action.sa_sigaction = handleCrash;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK;
      sigemptyset(&action.sa_mask);
      sigaction(signal, &action, &previousActions[signal]);
    }
    llvm::install_fatal_error_handler(handleFatalError);
  });
}

std::optional<std::string> lathe::compiler::runGuarded(llvm::function_ref<void()> body) {
  installHandlers();
  thread_local AlternateStack stack;
  (void)stack;
  Guarded *volatile outer = current;
  Guarded guarded = {};
  current = &guarded;
  bool volatile crashed = true;
  if (sigsetjmp(guarded.place, /*savemask=*/1) == 0) {
    body();
    crashed = false;
  }
  current = outer;
  if (!crashed)
    return std::nullopt;
  // What LLVM says can be of several lines; the first one tells.
  std::string_view reason(guarded.reason.data());
  return std::string(reason.substr(0, reason.find('\n')));
}

static void giveUp(int) {
  static constexpr char message[] =
      "error[E0903]: the compiler crashed and left nothing to report it with\n";
  (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
  _exit(static_cast<int>(lathe::ExitCode::Internal));
}

bool lathe::compiler::runAfterCrash(llvm::function_ref<void()> body) {
  constexpr unsigned mostSeconds = 10;
  struct sigaction action = {}, before = {};
  action.sa_handler = giveUp;
  sigemptyset(&action.sa_mask);
  sigaction(SIGALRM, &action, &before);
  alarm(mostSeconds);
  bool returned = !runGuarded(body);
  alarm(0);
  sigaction(SIGALRM, &before, nullptr);
  return returned;
}
