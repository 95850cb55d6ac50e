//===- Reproducer.h - What shows a fault of the compiler again --*- C++ -*-===//
//
// When the compiler fails by its own fault, the program as it was ahead of the
// failing stage is written to a file, together with the passes that were still
// to come.  The file is an input of `lathe compile` and, with --run-reproducer,
// of `lathe-opt`.  Weights are never in the IR, so none are in the file.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_DRIVER_REPRODUCER_H
#define LATHE_COMPILER_DRIVER_REPRODUCER_H

#include "runtime/support/Diagnostics.h"

#include "mlir/IR/Operation.h"

#include <string>

namespace lathe::compiler {

struct Reproducer {
  std::string program; ///< From printForReproducer; empty: there is none to write.
  std::string reason;  ///< One line for the head of the file.
  /// The command that shows the fault again, before and behind the file's name.
  std::string commandStart, commandEnd;
  std::string folder; ///< Empty: the one for temporary files, $TMPDIR or /tmp.
};

/// The text of a program and of what was to be run on it, as --pass-pipeline
/// takes it.
std::string printForReproducer(mlir::Operation *program, llvm::StringRef pipeline);

/// Writes the file aside and renames it into place.  Gives the hint for the
/// error message: the file and the command that replays it, or why there is none.
std::string writeReproducer(const Reproducer &reproducer);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_REPRODUCER_H
