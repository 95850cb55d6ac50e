//===- CrashGuard.h - Comes back from a crash -------------------*- C++ -*-===//
//
// A fault of the compiler must not end the program that asked it to compile.
// LLVM's CrashRecoveryContext would do most of this, but it neither survives an
// overflow of the stack nor hands a SIGBUS on to the reader of a file that was
// truncated while it was mapped.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_DRIVER_CRASHGUARD_H
#define LATHE_COMPILER_DRIVER_CRASHGUARD_H

#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>
#include <string>

namespace lathe::compiler {

/// Runs `body` on this thread.  Nothing when it returned; otherwise why it did
/// not: the name of a signal (a failed assertion is SIGABRT), or what LLVM said
/// before it gave up.  No destructor of `body` ran then, and what it worked on
/// can only be left alone.  Threads that `body` starts are not guarded.
std::optional<std::string> runGuarded(llvm::function_ref<void()> body);

/// Runs `body` after a crash, when a lock may still be held that nobody gives
/// back: false when it crashed too; when it has not returned after some seconds,
/// the process ends with exit code 70.
bool runAfterCrash(llvm::function_ref<void()> body);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_CRASHGUARD_H
