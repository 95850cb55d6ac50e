//===- Fish.cpp - Completion for fish ---------------------------------------===//
//
// One `complete` for every word; see complete(1) of fish.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/ShellKind.h"

using namespace lathe;
using namespace lathe::cli;

/// `Text` in single quotes, in which fish reads two escapes.
static std::string quotedText(std::string_view Text) {
  std::string Result = "'";
  for (char C : Text)
    Result += C == '\'' || C == '\\' ? std::string("\\") + C : std::string(1, C);
  return Result + "'";
}

static std::string line(std::string_view When, const std::string &What, std::string_view Help) {
  return "complete -c lathe -n " + quotedText(When) + " " + What + " -d " + quotedText(Help) + "\n";
}

/// " -s o -l output", and what the flag takes: a word of a few, or a file.
static std::string flagNames(const Options::Option &Flag) {
  std::string Text;
  for (const std::string &Name : Flag.names())
    Text += Name.starts_with("--") ? " -l " + Name.substr(2) : " -s " + Name.substr(1);
  if (!Flag.Words.empty())
    return Text + " -x -a " + quotedText(joinedWords(Flag.Words));
  return Text + (Flag.Meta.empty() ? "" : " -r");
}

static std::string script(std::span<const CommandWords> Commands) {
  constexpr std::string_view First = "__fish_use_subcommand";
  std::string Text =
      "# Completion of the words of lathe, for fish: lathe completion --shell fish | source\n" +
      line(First, "-l help", "show the commands") + line(First, "-l version", "show the version") +
      line(First, "-f -a help", "show what a command takes");
  for (const CommandWords &Each : Commands) {
    std::string Name(Each.Name), Seen = "__fish_seen_subcommand_from " + Name;
    Text += line(First, "-f -a " + Name, Each.Summary) +
            line("__fish_seen_subcommand_from help", "-f -a " + Name, Each.Summary) +
            line(Seen, "-l help", "show what the command takes");
    for (const Options::Option &Option : Each.Accepted)
      if (!Option.Positional)
        Text += line(Seen, flagNames(Option).substr(1), Option.Help);
  }
  return Text;
}

static ShellRegistration Registered({"fish", script});
