//===- BackgroundTask.cpp - Something done meanwhile ----------------------===//

#include "runtime/support/BackgroundTask.h"

#include <csignal>

namespace lathe {

void BackgroundTask::start() {
  auto Run = [](void *Body) -> void * {
    (*static_cast<std::function<void()> *>(Body))();
    return nullptr;
  };
  // A thread inherits what its maker blocks.
  sigset_t All, Before;
  sigfillset(&All);
  // A fault of its own must come to it: blocked, it ends the process without a word.
  for (int Fault : {SIGBUS, SIGFPE, SIGILL, SIGSEGV})
    sigdelset(&All, Fault);
  pthread_sigmask(SIG_SETMASK, &All, &Before);
  pthread_t Made;
  if (pthread_create(&Made, nullptr, Run, &Body) == 0)
    Thread = Made;
  pthread_sigmask(SIG_SETMASK, &Before, nullptr);
  if (!Thread)
    Body();
}

void BackgroundTask::wait() {
  if (Thread)
    pthread_join(*Thread, nullptr);
  Thread.reset();
}

} // namespace lathe
