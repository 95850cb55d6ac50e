//===- CommandLine.cpp - From words to a command and an exit code -----------===//

#include "tools/lathe/CommandLine.h"
#include "tools/lathe/Signals.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

static std::string commandHelp(const CommandKind &Kind, const std::string &Name,
                               const Options &Accepted) {
  return Name + ": " + std::string(Kind.Summary) + "\n\nusage: " + Name + " " + Accepted.usage() +
         "\n\n" + Accepted.helpTable() + "\nexamples:\n" + std::string(Kind.Examples);
}

ExitCode cli::runCommand(const CommandKind &Kind, const std::string &Name,
                         const std::vector<std::pair<std::string, std::string>> &Presets,
                         const std::vector<std::string> &Words, Terminal &Term,
                         Diagnostics &Diags) {
  std::unique_ptr<Command> Chosen = Kind.Create();
  Options Accepted;
  Chosen->declare(Accepted);
  for (const auto &[Positional, Value] : Presets)
    Accepted.preset(Positional, Value);
  if (!Accepted.parse(Words, Name, Diags))
    return ExitCode::Usage;
  if (Accepted.helpAsked())
    Term.out(commandHelp(Kind, Name, Accepted));
  else
    Chosen->run(Term, Diags);
  return ExitCode::Ok;
}

int cli::runProgram(int Count, char **Arguments,
                    ExitCode (*Body)(const std::vector<std::string> &Words, Terminal &Term,
                                     Diagnostics &Diags)) {
  Terminal Term;
  installSignals();
  std::vector<std::string> Words(Arguments + std::min(Count, 1), Arguments + Count);
  Diagnostics Diags;
  ExitCode Code = Body(Words, Term, Diags);
  // What was cut short by a signal has nothing to explain.
  if (interrupted()) {
    Term.clearProgress();
    return static_cast<int>(interruptedCode());
  }
  if (Term.outputFault())
    Diags.error(212, "standard output", "write failed: " + *Term.outputFault());
  Term.print(Diags);
  return static_cast<int>(Diags.hasErrors() ? Diags.exitCode() : Code);
}
