//===- Zsh.cpp - Completion for zsh -----------------------------------------===//
//
// See zshcompwid(1) for `words`, `CURRENT` and compadd, and zshcompsys(1) for the
// first line and _files.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/ShellKind.h"

using namespace lathe;
using namespace lathe::cli;

/// `Text` in single quotes.
static std::string quotedText(std::string_view Text) {
  std::string Result = "'";
  for (char C : Text)
    Result += C == '\'' ? std::string("'\\''") : std::string(1, C);
  return Result + "'";
}

/// A word and what is shown beside it.
static std::string described(std::string_view Word, std::string_view Help) {
  return "      " + quotedText(Word) + " " +
         quotedText(std::string(Word) + "  -- " + std::string(Help)) + "\n";
}

static std::string valueCase(std::string_view Command, const Options::Option &Flag) {
  std::string Pattern;
  for (const std::string &Name : Flag.names())
    Pattern += (Pattern.empty() ? "" : "|") + std::string(Command) + "," + Name;
  return "    " + Pattern + ") compadd -- " + joinedWords(Flag.Words) + "; return ;;\n";
}

static std::string script(std::span<const CommandWords> Commands) {
  std::string Values, Flags;
  std::string Names = described("--help", "show the commands") +
                      described("--version", "show the version") +
                      described("help", "show what a command takes");
  for (const CommandWords &Each : Commands) {
    Names += described(Each.Name, Each.Summary);
    Flags += "    " + std::string(Each.Name) + ") both=(\n" +
             described("--help", "show what the command takes");
    for (const Options::Option &Option : Each.Accepted) {
      if (!Option.Words.empty())
        Values += valueCase(Each.Name, Option);
      if (!Option.Positional)
        for (const std::string &Name : Option.names())
          Flags += described(Name, Option.Help);
    }
    Flags += "      ) ;;\n";
  }
  return "#compdef lathe\n"
         "# Completion of the words of lathe, for zsh: eval \"$(lathe completion --shell zsh)\"\n"
         "_lathe() {\n"
         "  local -a both keys shown\n"
         "  local word help\n"
         "  if (( CURRENT == 2 )) || [[ ${words[2]} == help ]]; then\n"
         "    both=(\n" +
         Names +
         "    )\n"
         "  else\n"
         "    case ${words[2]},${words[CURRENT-1]} in\n" +
         Values +
         "    esac\n"
         "    if [[ ${words[CURRENT]} == -* ]]; then\n"
         "    case ${words[2]} in\n" +
         Flags +
         "    esac\n"
         "    fi\n"
         "  fi\n"
         "  for word help in \"${both[@]}\"; do keys+=(\"$word\"); shown+=(\"$help\"); done\n"
         "  if (( ${#keys} )); then compadd -l -d shown -a keys; else _files; fi\n"
         "}\n"
         "if (( ${+functions[compdef]} )); then compdef _lathe lathe; fi\n";
}

static ShellRegistration Registered({"zsh", script});
