//===- ShellKind.h - A shell that completes the words of lathe --*- C++ -*-===//
//
// A shell is one file in shells/ with a static registration.  All of them write
// down the same table, that of --help.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_SHELLKIND_H
#define LATHE_TOOLS_LATHE_SHELLKIND_H

#include "tools/lathe/Options.h"

#include "runtime/tokenizer/Registry.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// What a command takes.
struct CommandWords {
  std::string_view Name, Summary;
  std::vector<Options::Option> Accepted;

  /// "--help" and all other flags.
  std::vector<std::string> flags() const;
};

struct ShellKind {
  std::string_view Name;
  /// What the shell reads.  Where it knows no words, it completes files.
  std::string (*Script)(std::span<const CommandWords> Commands);
};
using ShellRegistration = Registry<ShellKind>::Registration;

/// "a b c".
std::string joinedWords(const std::vector<std::string> &Words);

/// The names of all commands and what else may stand in their place.
std::vector<std::string> firstWords(std::span<const CommandWords> Commands);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_SHELLKIND_H
