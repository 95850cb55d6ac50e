//===- runner.cpp - The program inside an executable ------------------------===//
//
// `lathe compile MODEL -o out` appends an artefact to this program.  What comes
// out is `lathe run` with its MODEL given.  It cannot compile.
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

static ExitCode runOwnModel(const std::vector<std::string> &Words, Terminal &Term,
                            Diagnostics &Diags) {
  std::string Path = ownPath();
  CommandKind Kind = *Registry<CommandKind>::find("run");
  std::string Name = Path.substr(Path.rfind('/') + 1);
  std::string Examples = "  ./" + Name + " \"Why is the sky blue?\"\n  ./" + Name +
                         "              a conversation; Ctrl-D ends it\n";
  Kind.Examples = Examples;
  if (!checkCarriesModel(Path, Diags))
    return ExitCode::Malformed;
  return runCommand(Kind, Name, {{"MODEL", Path}}, Words, Term, Diags);
}

int main(int Count, char **Arguments) { return runProgram(Count, Arguments, runOwnModel); }
