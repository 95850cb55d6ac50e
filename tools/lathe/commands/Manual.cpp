//===- Manual.cpp - lathe manual --------------------------------------------===//
//
// The man page, made from the tables of which --help is made.  See man-pages(7)
// and groff_man(7).
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ProgramHelp.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class ManualCommand final : public Command {
public:
  void declare(Options &) override {}
  void run(Terminal &Term, Diagnostics &Diags) override;
};
} // namespace

/// `Text` as roff prints it: no character of it is a request or an escape.
static std::string escaped(std::string_view Text) {
  std::string Result;
  for (size_t I = 0; I < Text.size(); ++I) {
    bool LineStart = I == 0 || Text[I - 1] == '\n';
    if (LineStart && (Text[I] == '.' || Text[I] == '\''))
      Result += "\\&";
    if (Text[I] == '\\')
      Result += "\\e";
    else if (Text[I] == '-')
      Result += "\\-";
    else if (Text[I] == '\'')
      Result += "\\(aq";
    else
      Result += Text[I];
  }
  return Result;
}

/// A paragraph under a bold head.
static std::string item(std::string_view Head, std::string_view Meta, std::string_view Text) {
  std::string Result = ".TP\n\\fB" + escaped(Head) + "\\fR";
  if (!Meta.empty())
    Result += " \\fI" + escaped(Meta) + "\\fR";
  return Result + "\n" + escaped(Text) + "\n";
}

static std::string verbatim(std::string_view Lines) {
  return ".PP\n.EX\n" + escaped(Lines) + ".EE\n";
}

static std::string commandSection(const CommandKind &Kind) {
  std::unique_ptr<Command> Made = Kind.Create();
  Options Accepted;
  Made->declare(Accepted);
  std::string Text = ".SS \"lathe " + escaped(Kind.Name) + " " + escaped(Accepted.usage()) +
                     "\"\n" + escaped(Kind.Summary) + ".\n";
  for (const Options::Option &Each : Accepted.all()) {
    std::string Names;
    for (const std::string &Name : Each.names())
      Names += (Names.empty() ? "" : ", ") + Name;
    Text += item(Names, Each.Positional ? "" : Each.Meta, Each.Help);
  }
  return Text + verbatim(Kind.Examples);
}

static std::string tableSection(std::string_view Title, std::span<const HelpLine> Lines) {
  std::string Text = ".SH " + std::string(Title) + "\n";
  for (const HelpLine &Each : Lines)
    Text += item(Each.Name, "", Each.Help);
  return Text;
}

void ManualCommand::run(Terminal &Term, Diagnostics &) {
  std::string Text = ".TH LATHE 1 \"\" \"lathe " LATHE_VERSION "\"\n"
                     ".SH NAME\nlathe \\- compile a pretrained transformer and run it\n"
                     ".SH SYNOPSIS\n\\fBlathe\\fR \\fICOMMAND\\fR [arguments]\n"
                     ".SH DESCRIPTION\n" +
                     escaped(programSummary()) +
                     "\nData goes to standard output, all else to standard error.\n"
                     ".SH COMMANDS\n";
  for (const CommandKind &Each : Registry<CommandKind>::all())
    Text += commandSection(Each);
  Text += tableSection("EXIT STATUS", exitCodeTable()) +
          tableSection("ENVIRONMENT", environmentTable());
  std::string Examples;
  for (const HelpLine &Each : programExamples())
    Examples += std::string(Each.Name) + "\n";
  Term.out(Text + ".SH EXAMPLES\n" + verbatim(Examples));
}

static CommandRegistration Registered({
    "manual",
    "print the man page",
    "  lathe manual > lathe.1\n",
    createCommand<ManualCommand>,
});
