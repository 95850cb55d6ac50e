//===- Object.cpp - `lathe compile -o out.o`, and --emit --------------------===//

#include "tools/lathe/OutputKind.h"

using namespace lathe;
using namespace lathe::cli;

/// What --emit asks for, or an object.
static bool writeObject(const OutputRequest &Request, OutputFile &File, Diagnostics &Diags) {
  const std::string &Emit = Request.Package.Compile.Emit;
  std::shared_ptr<CompileResult> Result =
      compileOnce(Request.Package, Emit.empty() ? "obj" : Emit, Diags);
  return Result && File.write(Result->output(), Diags);
}

static OutputKindRegistration Registered({"object", ".o", false, false, 0666, writeObject});
