//===- CommandLine.h - From words to a command and an exit code -*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_COMMANDLINE_H
#define LATHE_TOOLS_LATHE_COMMANDLINE_H

#include "tools/lathe/Command.h"

#include <string>
#include <utility>
#include <vector>

namespace lathe::cli {

/// Parses `Words` and runs the command, or prints its help when they ask for it.
/// `Name` is what messages call it ("lathe run").
/// `Presets` are positional arguments that are known already.  Gives the exit
/// code for when no error was told.
ExitCode runCommand(const CommandKind &Kind, const std::string &Name,
                    const std::vector<std::pair<std::string, std::string>> &Presets,
                    const std::vector<std::string> &Words, Terminal &Term, Diagnostics &Diags);

/// All of `main`: signals, the words, and at the end all errors and the exit code.
int runProgram(int Count, char **Arguments,
               ExitCode (*Body)(const std::vector<std::string> &Words, Terminal &Term,
                                Diagnostics &Diags));

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_COMMANDLINE_H
