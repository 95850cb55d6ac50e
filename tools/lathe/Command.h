//===- Command.h - One command of `lathe` -----------------------*- C++ -*-===//
//
// A command is one file in commands/: a class that derives from Command and a
// static CommandRegistration.  Nothing else has to be edited but the list of
// sources.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_COMMAND_H
#define LATHE_TOOLS_LATHE_COMMAND_H

#include "tools/lathe/Options.h"
#include "tools/lathe/Terminal.h"

#include "runtime/tokenizer/Registry.h"

#include <memory>
#include <string_view>

namespace lathe::cli {

class Command {
public:
  virtual ~Command() = default;

  /// Declares what the command accepts; the values are stored in its members.
  virtual void declare(Options &Accepted) = 0;
  /// Runs after the values were stored.  Errors go to `Diags`, which the caller
  /// prints and takes the exit code from; Ok is the answer when there are none.
  virtual void run(Terminal &Term, Diagnostics &Diags) = 0;
};

struct CommandKind {
  std::string_view Name;
  std::string_view Summary;  ///< One line for `lathe --help`, no full stop.
  std::string_view Examples; ///< Lines of two leading blanks, each ending in a newline.
  std::unique_ptr<Command> (*Create)();
};
using CommandRegistration = Registry<CommandKind>::Registration;

template <typename T> std::unique_ptr<Command> createCommand() { return std::make_unique<T>(); }

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_COMMAND_H
