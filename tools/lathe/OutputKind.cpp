//===- OutputKind.cpp - What `lathe compile` can make -----------------------===//

#include "tools/lathe/OutputKind.h"

#include "runtime/support/SiblingFile.h"

using namespace lathe;
using namespace lathe::cli;

const OutputKind *cli::outputKindOf(std::string_view Path, bool FromStageText) {
  const OutputKind *Best = nullptr;
  for (const OutputKind &Each : Registry<OutputKind>::all()) {
    if (!Path.ends_with(Each.Suffix) || (Best && Best->Suffix.size() > Each.Suffix.size()))
      continue;
    // Of two with one suffix, the one that carries a model is for models.
    bool Replaces =
        !Best || Best->Suffix.size() < Each.Suffix.size() || Best->Packaged == FromStageText;
    if (Replaces)
      Best = &Each;
  }
  return Best && Best->Packaged && FromStageText ? nullptr : Best;
}

bool cli::isStageText(std::string_view Path) {
  return Path.ends_with(".mlir") || Path.ends_with(".mlirbc");
}

std::shared_ptr<CompileResult> cli::compileOnce(const PackageOptions &Options,
                                                std::string_view Emit, Diagnostics &Diags) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return nullptr;
  CompileRequest Request = Options.Compile;
  Request.Target = Options.Targets.front();
  Request.Emit = Emit;
  std::shared_ptr<CompileResult> Result = Compiler->compile(Request, Diags);
  if (Result && Options.OnCompiled)
    Options.OnCompiled(*Result);
  return Result;
}

std::unique_ptr<MappedFile> cli::openCarrier(const char *Name, const char *Variable,
                                             Diagnostics &Diags) {
  std::string Path = findSiblingFile(Name, Variable);
  if (!Path.empty())
    return MappedFile::open(Path, Diags);
  Diags.error(614, Name, "not found in ../lib of, or beside, the program",
              std::string("install it, or set ") + Variable + " to its path");
  return nullptr;
}

bool cli::writeCarried(std::span<const uint8_t> Carrier, const Package &Made, OutputFile &File,
                       Diagnostics &Diags) {
  return writeExecutable(
      Carrier, Made.sections(),
      [&](std::span<const uint8_t> Bytes) { return File.write(Bytes, Diags); }, &Made.workers());
}
