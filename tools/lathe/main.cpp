//===- main.cpp - The `lathe` command ---------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/CommandLine.h"

#include "runtime/support/Text.h"

using namespace lathe;
using namespace lathe::cli;

using Commands = Registry<CommandKind>;

static std::string programHelp() {
  std::string Text = "lathe turns a pretrained transformer into a program and runs it.\n\n"
                     "usage: lathe COMMAND [arguments]\n\ncommands:\n";
  for (const CommandKind &Each : Commands::all()) {
    std::string Name = "  " + std::string(Each.Name);
    Name.resize(13, ' ');
    Text += Name + std::string(Each.Summary) + "\n";
  }
  return Text + "\n"
                "examples:\n"
                "  lathe run model.gguf \"The capital of France is\" --raw -n 16\n"
                "  lathe run model.gguf            talk to a chat model\n"
                "  lathe inspect model.gguf        what is in a file and what it will need\n"
                "  lathe bench model.gguf          prefill and decode speed\n"
                "  lathe explain E0304             what an error means\n\n"
                "'lathe COMMAND --help' shows a command's flags; 'lathe --version' the version.\n"
                "Data goes to standard output, all else to standard error.\n\n"
                "exit codes: 0 ok, 1 failed, 2 usage, 3 unsupported, 4 malformed input,\n"
                "  5 resources, 6 version mismatch, 70 internal, 130 interrupted, 143 terminated\n"
                "environment: LATHE_CACHE (folder of compiled programs), LATHE_CACHE_SIZE (most\n"
                "  bytes of them, like 500M), LATHE_COMPILER (the compiler library), NO_COLOR\n";
}

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
