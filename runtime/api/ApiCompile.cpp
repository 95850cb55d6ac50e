//===- ApiCompile.cpp - Compiling to a file, of lathe.h ---------*- C++ -*-===//

#include "runtime/api/Api.h"

#include "runtime/session/Packaging.h"
#include "runtime/support/AtomicFile.h"

#include <cstddef>

using namespace lathe;
using namespace lathe::api;

// The size in version 1.0.
static constexpr size_t LeastOptions = offsetof(lathe_compile_options, layers);

static std::optional<PackageOptions> readOptions(const char *Path,
                                                 const lathe_compile_options *Given,
                                                 Callbacks &Told, Diagnostics &Diags) {
  constexpr const char *Name = "lathe_compile_options";
  std::optional<lathe_compile_options> Raw = readStruct(Given, Name, LeastOptions, Diags);
  if (!Raw || !checkFlags(Name, Raw->flags | Raw->reserved, LATHE_COMPILE_EMBED_WEIGHTS, Diags))
    return std::nullopt;
  std::optional<Callbacks> Read = Callbacks::read(Raw->callbacks, Diags);
  if (!Read)
    return std::nullopt;
  Told = *Read;
  PackageOptions Options;
  Options.Compile.Input = Path;
  Options.Compile.Precision = Raw->precision ? Raw->precision : "auto";
  Options.Compile.Layers = Raw->layers ? Raw->layers : "";
  Options.Compile.Skip = Raw->skip ? Raw->skip : "";
  Options.CalibrationPath = Raw->calibration ? Raw->calibration : "";
  Options.Targets = splitTargets(Raw->targets ? Raw->targets : "host");
  Options.EmbedWeights = Raw->flags & LATHE_COMPILE_EMBED_WEIGHTS;
  return Options;
}

/// Tells that `Done` of the two stages are over; false, with E0807, when the caller
/// asks to stop.
static bool enterStage(int64_t Done, const Callbacks &Told, Diagnostics &Diags) {
  if (Told.goOn(LATHE_PROGRESS_COMPILE, Done, 2))
    return true;
  Diags.error(807, {}, "interrupted while the model was compiled");
  return false;
}

static bool compileTo(const std::string &Output, const PackageOptions &Options,
                      const Callbacks &Told, Diagnostics &Diags) {
  if (!checkNotInput(Output, Options.Compile.Input, Diags))
    return false;
  std::unique_ptr<AtomicFile> File = AtomicFile::create(Output, Diags);
  if (!File || !enterStage(0, Told, Diags))
    return false;
  std::optional<Package> Made = Package::create(Options, Diags);
  if (!Made || !enterStage(1, Told, Diags))
    return false;
  auto Write = [&](std::span<const uint8_t> Bytes) { return File->write(Bytes, Diags); };
  if (!writeArtefact(Made->sections(), Write, &Made->workers()) || !File->commit(Diags))
    return false;
  // There is nothing left to stop.
  Told.goOn(LATHE_PROGRESS_COMPILE, 2, 2);
  return true;
}

void api::addCompiling(lathe_api &Table) {
  Table.model_compile = [](const char *Path, const lathe_compile_options *Given,
                           const char *Output) {
    Callbacks Told;
    return guarded(
        [&](Diagnostics &Diags) {
          if (!checkGiven(Path, "path", Diags) || !checkGiven(Output, "output", Diags))
            return false;
          std::optional<PackageOptions> Options = readOptions(Path, Given, Told, Diags);
          if (!Options)
            return false;
          Options->ScratchPath = Output;
          return compileTo(Output, *Options, Told, Diags);
        },
        &Told);
  };
}
