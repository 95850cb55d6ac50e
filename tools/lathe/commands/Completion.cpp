//===- Completion.cpp - lathe completion ------------------------------------===//
//
// Made from the table of which --help is made.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class CompletionCommand final : public Command {
public:
  void declare(Options &Accepted) override {
    Accepted.choice(Shell, "--shell", {"bash"}, "whose words to complete");
  }
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  std::string Shell = "bash";
};
} // namespace

static std::string joined(const std::vector<std::string> &Words) {
  std::string Text;
  for (const std::string &Word : Words)
    Text += (Text.empty() ? "" : " ") + Word;
  return Text;
}

/// The case of `WORDS`, each of which stands in a pattern of its own.
static std::string valueCase(std::string_view Command, const Options::Option &Flag) {
  std::string Pattern;
  for (const std::string &Name : Flag.names())
    Pattern += (Pattern.empty() ? "" : "|") + std::string(Command) + "," + Name;
  return "    " + Pattern + ") words=\"" + joined(Flag.Words) + "\" ;;\n";
}

/// Values of a flag, where they are few, and the flags of a command; all else is
/// a file, which bash completes by itself.
void CompletionCommand::run(Terminal &Term, Diagnostics &) {
  std::string Values, Flags, Names = "--help --version help";
  for (const CommandKind &Kind : Registry<CommandKind>::all()) {
    std::unique_ptr<Command> Made = Kind.Create();
    Options Accepted;
    Made->declare(Accepted);
    std::vector<std::string> Known{"--help"};
    for (const Options::Option &Each : Accepted.all()) {
      if (!Each.Words.empty())
        Values += valueCase(Kind.Name, Each);
      if (!Each.Positional)
        for (std::string &Name : Each.names())
          Known.push_back(std::move(Name));
    }
    Names += " " + std::string(Kind.Name);
    Flags += "    " + std::string(Kind.Name) + ") words=\"" + joined(Known) + "\" ;;\n";
  }
  Term.out("# Completion of the words of lathe, for bash: eval \"$(lathe completion)\"\n"
           "_lathe() {\n"
           "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
           "  case ${COMP_WORDS[1]},${COMP_WORDS[COMP_CWORD-1]} in\n" +
           Values +
           "  esac\n"
           "  if [[ $COMP_CWORD == 1 || ${COMP_WORDS[1]} == help ]]; then\n"
           "    words=\"" +
           Names +
           "\"\n"
           "  elif [[ -z $words && $word == -* ]]; then\n"
           "    case ${COMP_WORDS[1]} in\n" +
           Flags +
           "    esac\n"
           "  fi\n"
           "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "}\n"
           "complete -o default -F _lathe lathe\n");
}

static CommandRegistration Registered({
    "completion",
    "print what lets a shell complete the words of lathe",
    "  eval \"$(lathe completion)\"     in ~/.bashrc\n",
    createCommand<CompletionCommand>,
});
