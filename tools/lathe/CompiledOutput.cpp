//===- CompiledOutput.cpp - What `lathe compile` can make -------------------===//

#include "tools/lathe/CompiledOutput.h"

#include "runtime/support/MappedFile.h"
#include "runtime/support/SiblingFile.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

static constexpr const char *RunnerName = "lathe-runner";

/// Compiles for the one target.
static std::shared_ptr<CompileResult> compileOnce(const PackageOptions &Options,
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

/// What --emit asks for, or an object.
static bool writeObject(const PackageOptions &Options, OutputFile &File, Diagnostics &Diags) {
  const std::string &Emit = Options.Compile.Emit;
  std::shared_ptr<CompileResult> Result = compileOnce(Options, Emit.empty() ? "obj" : Emit, Diags);
  return Result && File.write(Result->output(), Diags);
}

static bool writeLibrary(const PackageOptions &Options, OutputFile &File, Diagnostics &Diags) {
  std::shared_ptr<CompileResult> Result = compileOnce(Options, "", Diags);
  if (!Result)
    return false;
  if (Result->writeLibrary(*File.temporaryPath()))
    return true;
  Diags.error(212, Options.ScratchPath, "the compiler could not write the library",
              "it needs ld.lld-22 or ld.lld");
  return false;
}

static bool writeArtefactFile(const PackageOptions &Options, OutputFile &File, Diagnostics &Diags) {
  std::optional<Package> Made = Package::create(Options, Diags);
  return Made && writeArtefact(
                     Made->sections(),
                     [&](std::span<const uint8_t> Bytes) { return File.write(Bytes, Diags); },
                     &Made->workers());
}

static bool writeExecutableFile(const PackageOptions &Options, OutputFile &File,
                                Diagnostics &Diags) {
  std::string Path = findSiblingFile(RunnerName, "LATHE_RUNNER");
  if (Path.empty()) {
    Diags.error(614, RunnerName, "not found in ../lib of, or beside, the program",
                "install it, or set LATHE_RUNNER to its path");
    return false;
  }
  std::unique_ptr<MappedFile> Runner = MappedFile::open(Path, Diags);
  std::optional<Package> Made = Runner ? Package::create(Options, Diags) : std::nullopt;
  return Made && writeExecutable(
                     Runner->bytes(), Made->sections(),
                     [&](std::span<const uint8_t> Bytes) { return File.write(Bytes, Diags); },
                     &Made->workers());
}

/// The last one's suffix is that of every path.
static constexpr OutputKind Kinds[] = {
    {"artefact", ".lathe", true, 0666, writeArtefactFile},
    {"library", ".so", false, 0666, writeLibrary},
    {"object", ".o", false, 0666, writeObject},
    {"executable", "", true, 0777, writeExecutableFile},
};

const OutputKind *cli::outputKindNamed(std::string_view Name) {
  return std::find_if(std::begin(Kinds), std::end(Kinds),
                      [&](const OutputKind &Each) { return Each.Name == Name; });
}

const OutputKind *cli::outputKindOf(std::string_view Path) {
  return std::find_if(std::begin(Kinds), std::end(Kinds),
                      [&](const OutputKind &Each) { return Path.ends_with(Each.Suffix); });
}

bool cli::isStageText(std::string_view Path) {
  return Path.ends_with(".mlir") || Path.ends_with(".mlirbc");
}
