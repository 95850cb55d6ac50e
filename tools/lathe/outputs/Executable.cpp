//===- Executable.cpp - `lathe compile -o out` ------------------------------===//

#include "tools/lathe/OutputKind.h"

using namespace lathe;
using namespace lathe::cli;

static bool writeExecutableFile(const OutputRequest &Request, OutputFile &File,
                                Diagnostics &Diags) {
  std::unique_ptr<MappedFile> Runner = openCarrier("lathe-runner", "LATHE_RUNNER", Diags);
  std::optional<Package> Made = Runner ? Package::create(Request.Package, Diags) : std::nullopt;
  return Made && writeCarried(Runner->bytes(), *Made, File, Diags);
}

static OutputKindRegistration Registered({"executable", "", true, false, 0777,
                                          writeExecutableFile});
