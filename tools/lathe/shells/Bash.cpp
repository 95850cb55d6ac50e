//===- Bash.cpp - Completion for bash ---------------------------------------===//

#include "tools/lathe/ShellKind.h"

using namespace lathe;
using namespace lathe::cli;

/// The case of `WORDS`, each of which stands in a pattern of its own.
static std::string valueCase(std::string_view Command, const Options::Option &Flag) {
  std::string Pattern;
  for (const std::string &Name : Flag.names())
    Pattern += (Pattern.empty() ? "" : "|") + std::string(Command) + "," + Name;
  return "    " + Pattern + ") words=\"" + joinedWords(Flag.Words) + "\" ;;\n";
}

/// Values of a flag, where they are few, and the flags of a command.
static std::string script(std::span<const CommandWords> Commands) {
  std::string Values, Flags;
  for (const CommandWords &Each : Commands) {
    for (const Options::Option &Option : Each.Accepted)
      if (!Option.Words.empty())
        Values += valueCase(Each.Name, Option);
    Flags += "    " + std::string(Each.Name) + ") words=\"" + joinedWords(Each.flags()) + "\" ;;\n";
  }
  return "# Completion of the words of lathe, for bash: eval \"$(lathe completion)\"\n"
         "_lathe() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
         "  case ${COMP_WORDS[1]},${COMP_WORDS[COMP_CWORD-1]} in\n" +
         Values +
         "  esac\n"
         "  if [[ $COMP_CWORD == 1 || ${COMP_WORDS[1]} == help ]]; then\n"
         "    words=\"" +
         joinedWords(firstWords(Commands)) +
         "\"\n"
         "  elif [[ -z $words && $word == -* ]]; then\n"
         "    case ${COMP_WORDS[1]} in\n" +
         Flags +
         "    esac\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -o default -F _lathe lathe\n";
}

static ShellRegistration Registered({"bash", script});
