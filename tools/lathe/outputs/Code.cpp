//===- Code.cpp - The shared object that the JIT would run ------------------===//

#include "tools/lathe/OutputKind.h"

using namespace lathe;
using namespace lathe::cli;

static bool writeCode(const OutputRequest &Request, OutputFile &File, Diagnostics &Diags) {
  std::shared_ptr<CompileResult> Result = compileOnce(Request.Package, "", Diags);
  if (!Result)
    return false;
  if (Result->writeLibrary(*File.temporaryPath()))
    return true;
  Diags.error(212, Request.Path, "the compiler could not write the library",
              "it needs ld.lld-22 or ld.lld");
  return false;
}

static OutputKindRegistration Registered({"code", ".so", false, false, 0666, writeCode});
