//===- FindProgram.h - A program from the cache or the compiler -*- C++ -*-===//

#ifndef LATHE_RUNTIME_SESSION_FINDPROGRAM_H
#define LATHE_RUNTIME_SESSION_FINDPROGRAM_H

#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/Program.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lathe {

struct ProgramQuery {
  CompileRequest Compile;
  std::span<const uint8_t> Header; ///< All of the input that the program depends on.
  std::string Name;                ///< What people call the input.
  bool UseCache = true;
};

struct FoundProgram {
  std::shared_ptr<const Program> Code; ///< Null on error.
  bool FromCache = false;
};

/// The program that was compiled for the same question before, else compiles it and
/// keeps it.  Errors are those of the compiler; what is wrong with the cache is warned
/// of.  The program may be for another CPU (Program::checkHost).
FoundProgram findProgram(const ProgramQuery &Query, Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_FINDPROGRAM_H
