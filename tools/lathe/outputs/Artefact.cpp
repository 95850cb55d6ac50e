//===- Artefact.cpp - `lathe compile -o out.lathe` --------------------------===//

#include "tools/lathe/OutputKind.h"

using namespace lathe;
using namespace lathe::cli;

static bool writeArtefactFile(const OutputRequest &Request, OutputFile &File, Diagnostics &Diags) {
  std::optional<Package> Made = Package::create(Request.Package, Diags);
  return Made && writeArtefact(
                     Made->sections(),
                     [&](std::span<const uint8_t> Bytes) { return File.write(Bytes, Diags); },
                     &Made->workers());
}

static OutputKindRegistration Registered({"artefact", ".lathe", true, false, 0666,
                                          writeArtefactFile});
