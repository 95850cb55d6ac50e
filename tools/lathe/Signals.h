//===- Signals.h - Ctrl-C, SIGTERM and SIGHUP -------------------*- C++ -*-===//
//
// One thread waits for these signals; all others never see them.  The first one
// raises a flag that long work asks for between steps.  Work that does not look
// (a compile, a blocking read) is ended from outside after a grace time; a
// second signal ends the process at once.  Either way no temporary file of an
// AtomicFile is left.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_SIGNALS_H
#define LATHE_TOOLS_LATHE_SIGNALS_H

#include "runtime/support/Diagnostics.h"

#include <atomic>

namespace lathe::cli {

/// Starts the waiting thread.  Call once, before any other thread starts.
/// Signals that the parent process ignores stay ignored.
void installSignals();

/// True after the first signal.  Cheap; any thread may ask.
bool interrupted();

/// The flag behind `interrupted`, for SessionOptions::Cancel.
const std::atomic<bool> *interruptFlag();

/// 128 + the number of the signal; Ok when there was none.
ExitCode interruptedCode();

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_SIGNALS_H
