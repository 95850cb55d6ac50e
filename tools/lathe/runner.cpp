//===- runner.cpp - The program inside an executable ------------------------===//
//
// `lathe compile MODEL -o out` appends an artefact to this program.  What comes
// out is `lathe run` with its MODEL given; of an encoder `lathe classify`, where it
// carries a classifier, else `lathe embed`.  It cannot compile.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/CommandLine.h"

#include "runtime/session/CompiledModel.h"

#include <algorithm>

#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

/// The file of this program, by the name that it was made under if that is known.
static std::string ownPath() {
  char Buffer[4096];
  ssize_t Length = readlink("/proc/self/exe", Buffer, sizeof(Buffer));
  std::string Path(Buffer, Length > 0 ? static_cast<size_t>(Length) : 0);
  return access(Path.c_str(), R_OK) == 0 ? Path : "/proc/self/exe";
}

namespace {
/// What a model of a kind is for.
struct OwnCommand {
  ModelKind Model;
  const char *Name;
  const char *Examples; ///< Lines of words behind the program's name.
};
} // namespace

static constexpr OwnCommand OwnCommands[] = {
    {ModelKind::Generator, "run",
     "\"Why is the sky blue?\"\n             a conversation; Ctrl-D ends it\n"},
    {ModelKind::Encoder, "embed",
     "\"How are you?\" \"Where is the station?\"\n-f titles.txt -o titles.npy\n"},
    {ModelKind::Classifier, "classify",
     "\"A chess program for the terminal\"\n-f titles.txt --stats\n"},
};

static std::string examplesOf(const OwnCommand &Of, const std::string &Name) {
  std::string Text;
  for (std::string_view Rest = Of.Examples; !Rest.empty();) {
    size_t Line = Rest.find('\n') + 1;
    Text.append("  ./").append(Name).append(" ").append(Rest.substr(0, Line));
    Rest.remove_prefix(Line);
  }
  return Text;
}

static ExitCode runOwnModel(const std::vector<std::string> &Words, Terminal &Term,
                            Diagnostics &Diags) {
  std::string Path = ownPath();
  std::optional<ModelKind> Model = findCarried(Path, Diags);
  if (!Model)
    return ExitCode::Malformed;
  const OwnCommand &Own = *std::ranges::find(OwnCommands, *Model, &OwnCommand::Model);
  CommandKind Kind = *Registry<CommandKind>::find(Own.Name);
  std::string Name = Path.substr(Path.rfind('/') + 1), Examples = examplesOf(Own, Name);
  Kind.Examples = Examples;
  return runCommand(Kind, Name, {{"MODEL", Path}}, Words, Term, Diags);
}

int main(int Count, char **Arguments) { return runProgram(Count, Arguments, runOwnModel); }
