//===- ProgramHelp.cpp - What `lathe` says of itself ------------------------===//

#include "tools/lathe/ProgramHelp.h"

#include "tools/lathe/Command.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

static constexpr HelpLine Examples[] = {
    {"lathe run model.gguf \"The capital of France is\" --raw -n 16", ""},
    {"lathe run model.gguf", "talk to a chat model"},
    {"lathe inspect model.gguf", "what is in a file and what it will need"},
    {"lathe bench model.gguf", "prefill and decode speed"},
    {"lathe explain E0304", "what an error means"},
};

static constexpr HelpLine ExitCodes[] = {
    {"0", "ok"},
    {"1", "failed"},
    {"2", "usage"},
    {"3", "unsupported"},
    {"4", "malformed input"},
    {"5", "resources"},
    {"6", "version mismatch"},
    {"70", "internal"},
    {"130", "interrupted"},
    {"143", "terminated"},
};

static constexpr HelpLine Environment[] = {
    {"LATHE_CACHE", "folder of compiled programs"},
    {"LATHE_CACHE_SIZE", "most bytes of them, like 500M"},
    {"LATHE_COMPILER", "the compiler library"},
    {"NO_COLOR", "no colours when it is set"},
};

std::string_view cli::programSummary() {
  return "lathe turns a pretrained transformer into a program and runs it.";
}
std::span<const HelpLine> cli::programExamples() { return Examples; }
std::span<const HelpLine> cli::exitCodeTable() { return ExitCodes; }
std::span<const HelpLine> cli::environmentTable() { return Environment; }

/// "  NAME   HELP", the help in one column.
static std::string row(std::string_view Name, std::string_view Help, size_t Column) {
  std::string Left = "  " + std::string(Name);
  if (!Help.empty())
    Left.resize(std::max(Left.size() + 2, Column), ' ');
  return Left + std::string(Help) + "\n";
}

std::string cli::programHelp() {
  std::string Text =
      std::string(programSummary()) + "\n\nusage: lathe COMMAND [arguments]\n\ncommands:\n";
  for (const CommandKind &Each : Registry<CommandKind>::all())
    Text += row(Each.Name, Each.Summary, 14);
  Text += "\nexamples:\n";
  for (const HelpLine &Each : Examples)
    Text += row(Each.Name, Each.Help, 34);
  Text += "\n'lathe COMMAND --help' shows a command's flags; 'lathe --version' the version.\n"
          "Data goes to standard output, all else to standard error.\n\nexit codes: ";
  std::string Codes;
  for (const HelpLine &Each : ExitCodes)
    Codes += (Codes.empty() ? "" : ", ") + std::string(Each.Name) + " " + std::string(Each.Help);
  Text += wrapText(Codes, 12) + "\nenvironment:\n";
  for (const HelpLine &Each : Environment)
    Text += row(Each.Name, Each.Help, 20);
  return Text;
}
