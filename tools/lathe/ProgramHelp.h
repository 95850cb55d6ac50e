//===- ProgramHelp.h - What `lathe` says of itself --------------*- C++ -*-===//
//
// The tables behind `lathe --help` and the man page; those of commands are in
// their CommandRegistration and Options.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_PROGRAMHELP_H
#define LATHE_TOOLS_LATHE_PROGRAMHELP_H

#include <span>
#include <string>
#include <string_view>

namespace lathe::cli {

struct HelpLine {
  std::string_view Name;
  std::string_view Help;
};

std::string_view programSummary();
std::span<const HelpLine> programExamples();
std::span<const HelpLine> exitCodeTable();
std::span<const HelpLine> environmentTable();

/// `lathe --help`.
std::string programHelp();

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_PROGRAMHELP_H
