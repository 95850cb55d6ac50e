//===- main.cpp - The `lathe` command ---------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/CommandLine.h"
#include "tools/lathe/ProgramHelp.h"

#include "runtime/support/Text.h"

using namespace lathe;
using namespace lathe::cli;

using Commands = Registry<CommandKind>;

static void reportUnknownCommand(const std::string &Name, Diagnostics &Diags) {
  std::vector<std::string> Known{"--help", "--version"};
  for (const CommandKind &Each : Commands::all())
    Known.emplace_back(Each.Name);
  std::optional<std::string> Near = nearestWord(Name, Known);
  Diags.error(101, "lathe", "found unknown command " + quoted(Name),
              Near ? "did you mean '" + *Near + "'?" : "'lathe --help' lists the commands");
}

/// Runs `Words`, the words after "lathe"; the exit code when no error was told.
static ExitCode dispatch(const std::vector<std::string> &Words, Terminal &Term,
                         Diagnostics &Diags) {
  if (Words.empty()) {
    Term.err(programHelp());
    return ExitCode::Usage;
  }
  if (Words[0] == "--version") {
    Term.out("lathe " LATHE_VERSION "\n");
    return ExitCode::Ok;
  }
  bool Help = Words[0] == "--help" || Words[0] == "-h" || Words[0] == "help";
  if (Help && Words.size() == 1) {
    Term.out(programHelp());
    return ExitCode::Ok;
  }
  const std::string &Name = Help ? Words[1] : Words[0];
  const CommandKind *Kind = Commands::find(Name);
  if (!Kind) {
    reportUnknownCommand(Name, Diags);
    return ExitCode::Usage;
  }
  std::vector<std::string> Rest(Words.begin() + 1, Words.end());
  if (Help)
    Rest = {"--help"};
  return runCommand(*Kind, "lathe " + Name, {}, Rest, Term, Diags);
}

int main(int Count, char **Arguments) { return runProgram(Count, Arguments, dispatch); }
