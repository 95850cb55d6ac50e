//===- Completion.cpp - lathe completion ------------------------------------===//
//
// Made from the table of which --help is made.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ShellKind.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class CompletionCommand final : public Command {
public:
  void declare(Options &Accepted) override {
    std::vector<std::string> Names;
    for (const ShellKind &Each : Registry<ShellKind>::all())
      Names.emplace_back(Each.Name);
    Accepted.choice(Shell, "--shell", std::move(Names), "whose words to complete (bash)");
  }
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  std::string Shell = "bash";
};
} // namespace

std::vector<std::string> CommandWords::flags() const {
  std::vector<std::string> Known{"--help"};
  for (const Options::Option &Each : Accepted)
    if (!Each.Positional)
      for (std::string &Name : Each.names())
        Known.push_back(std::move(Name));
  return Known;
}

std::string cli::joinedWords(const std::vector<std::string> &Words) {
  std::string Text;
  for (const std::string &Word : Words)
    Text += (Text.empty() ? "" : " ") + Word;
  return Text;
}

std::vector<std::string> cli::firstWords(std::span<const CommandWords> Commands) {
  std::vector<std::string> Words{"--help", "--version", "help"};
  for (const CommandWords &Each : Commands)
    Words.emplace_back(Each.Name);
  return Words;
}

void CompletionCommand::run(Terminal &Term, Diagnostics &) {
  std::vector<CommandWords> Commands;
  // What an option stores into is never written here.
  for (const CommandKind &Kind : Registry<CommandKind>::all()) {
    std::unique_ptr<Command> Made = Kind.Create();
    Options Accepted;
    Made->declare(Accepted);
    Commands.push_back({Kind.Name, Kind.Summary, Accepted.all()});
  }
  Term.out(Registry<ShellKind>::find(Shell)->Script(Commands));
}

static CommandRegistration Registered({
    "completion",
    "print what lets a shell complete the words of lathe",
    "  eval \"$(lathe completion)\"                     in ~/.bashrc\n"
    "  eval \"$(lathe completion --shell zsh)\"         in ~/.zshrc, after compinit\n"
    "  lathe completion --shell fish | source         in config.fish\n",
    createCommand<CompletionCommand>,
});
