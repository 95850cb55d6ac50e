//===- Model.cpp - A model file, compiled and packed ------------*- C++ -*-===//

#include "runtime/session/Model.h"

#include "runtime/adaptive/Calibration.h"
#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/HostCPU.h"
#include "runtime/session/MemoryNeed.h"
#include "runtime/session/PendingWeights.h"
#include "runtime/session/ProgramCache.h"
#include "runtime/support/BackgroundTask.h"
#include "runtime/support/Timed.h"

#include <optional>

namespace lathe {

/// What people call the model.
static std::string modelName(const GGUFFile &File) {
  std::string_view Name = File.getString("general.name").value_or("");
  std::string_view Path = File.path();
  return std::string(Name.empty() ? Path.substr(Path.rfind('/') + 1) : Name);
}

static CacheNote cacheNote(const GGUFFile &File, const ModelOptions &Options) {
  // The library's file stands for its version: asking it would mean opening it.
  return {modelName(File),
          Options.Target,
          Options.Precision,
          Options.KVType,
          CompilerLibrary::buildID(CompilerLibrary::locate()),
          hostDescription()};
}

/// `Graph` is the text of a program in place of the model's own, or null.
static std::string cacheKey(const GGUFFile &File, const MappedFile *Graph,
                            const ModelOptions &Options, const CacheNote &Note) {
  CacheKeyParts Parts;
  Parts.ModelHeader = Graph ? Graph->bytes() : File.headerBytes();
  Parts.Target = Options.Target;
  Parts.Precision = Options.Precision;
  Parts.KVType = Options.KVType;
  Parts.MaxPrefillRows = Options.MaxPrefillRows;
  Parts.CompilerBuild = Note.CompilerBuild;
  Parts.Host = Note.Host;
  Parts.Passes = Options.Passes;
  return ProgramCache::key(Parts);
}

static std::shared_ptr<CompileResult> compileModel(const GGUFFile &File,
                                                   const ModelOptions &Options,
                                                   PendingWeights *Pending, Diagnostics &Diags) {
  if (!checkCompilerMemory(File.bytes().size(), MemoryLimits::current(), Diags))
    return nullptr;
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return nullptr;
  CompileRequest Request;
  Request.Input = Options.ProgramPath.empty() ? File.path() : Options.ProgramPath;
  Request.Target = Options.Target;
  Request.Precision = Options.Precision;
  Request.KVType = Options.KVType;
  Request.MaxPrefillRows = Options.MaxPrefillRows;
  Request.Passes = Options.Passes;
  if (Pending)
    Request.OnManifest = [Pending](std::string_view Text) { Pending->start(Text); };
  return Compiler->compile(Request, Diags);
}

/// A program that was compiled and is to be stored.
struct Model::NewProgram {
  void store(Diagnostics &Diags) const {
    if (Code && Cache)
      Cache->store(
          Key, Note, [&](const std::string &Path) { return Code->writeLibrary(Path); }, Diags);
  }

  std::shared_ptr<CompileResult> Code;
  std::optional<ProgramCache> Cache;
  std::string Key;
  CacheNote Note;
};

std::shared_ptr<const Program> Model::findOrCompile(const GGUFFile &File,
                                                    const ModelOptions &Options, LoadReport &Report,
                                                    NewProgram &New, PendingWeights *Pending,
                                                    Diagnostics &Diags) {
  if (Options.Compiled) {
    Report.CompiledAhead = true;
    std::optional<size_t> Chosen =
        Options.Compiled->choose(Options.Target, Options.Precision, Options.KVType, Diags);
    return Chosen ? Options.Compiled->loadProgram(*Chosen, Diags) : nullptr;
  }
  if (Options.UseCache) {
    std::shared_ptr<const Program> Found =
        timed(Report.CacheMilliseconds, [&]() -> std::shared_ptr<const Program> {
          New.Cache = ProgramCache::openDefault(Diags);
          if (!New.Cache)
            return nullptr;
          New.Note = cacheNote(File, Options);
          std::unique_ptr<MappedFile> Graph;
          if (!Options.ProgramPath.empty())
            Graph = MappedFile::open(Options.ProgramPath, Diags);
          if (!Options.ProgramPath.empty() && !Graph)
            return nullptr;
          New.Key = cacheKey(File, Graph.get(), Options, New.Note);
          return New.Cache->find(New.Key, Diags);
        });
    Report.CacheHit = Found != nullptr;
    if (Found || Diags.hasErrors())
      return Found;
  }
  return timed(Report.CompileMilliseconds, [&]() -> std::shared_ptr<const Program> {
    std::shared_ptr<CompileResult> Made = compileModel(File, Options, Pending, Diags);
    if (!Made)
      return nullptr;
    std::shared_ptr<const Program> Compiled = Program::create(
        [&](const char *Symbol) { return Made->lookup(Symbol); }, Made, File.path(), Diags);
    if (Compiled)
      New.Code = std::move(Made);
    return Compiled;
  });
}

/// Tells the next stage; false with E0807 when the load shall end there.
static bool enterStage(LoadStage Next, const ModelOptions &Options, Diagnostics &Diags) {
  if (!Options.OnStage || Options.OnStage(Next))
    return true;
  Diags.error(807, {}, "interrupted while the model was loaded");
  return false;
}

std::shared_ptr<const Program> Model::loadProgram(const GGUFFile &File, const ModelOptions &Options,
                                                  LoadReport &Report, Diagnostics &Diags) {
  NewProgram New;
  std::shared_ptr<const Program> Code = findOrCompile(File, Options, Report, New, nullptr, Diags);
  timed(Report.CacheMilliseconds, [&] {
    New.store(Diags);
    return true;
  });
  return Code;
}

WeightFiles Model::weightFiles() const {
  WeightFiles Files(*File);
  if (Calibrated)
    Files.add(Calibration::FileName, *Calibrated);
  return Files;
}

bool Model::loadCode(const ModelOptions &Options, NewProgram &New, PendingWeights &Pending,
                     Diagnostics &Diags) {
  auto Fits = [&](const MemoryNeed &Need) {
    return On->checkMemory(Need, *Workers, Options.Capacity != 0, Diags);
  };
  uint64_t Positions = static_cast<uint64_t>(Options.Capacity);
  uint64_t Sequences = static_cast<uint64_t>(Options.Sequences);
  if (!Fits(estimateMemoryNeed(*File, Positions, Sequences)))
    return false;
  // One thread is for compiling first and for packing then.
  Code = findOrCompile(*File, Options, Report, New, Workers->workers() > 1 ? &Pending : nullptr,
                       Diags);
  if (Code && manifest().isFunction()) {
    Diags.error(833, Options.ProgramPath, "is a function on tensors, expected a model",
                "'lathe exec' runs it");
    return false;
  }
  if (Code && manifest().isEncoder()) {
    Diags.error(835, Options.ProgramPath, "is an encoder, expected a model that generates text",
                "'lathe embed' takes a model folder");
    return false;
  }
  if (Code && manifest().Results && !Options.AnyResults) {
    Diags.error(848, File->path(),
                "found a program whose steps give rows of " + std::to_string(manifest().Results) +
                    ", expected logits",
                "'lathe logits' writes what it gives");
    return false;
  }
  return Code && On->check(*Code, Diags) && Fits(memoryNeed(manifest(), Positions, Sequences));
}

bool Model::loadWeights(const ModelOptions &Options, PendingWeights &Pending, Diagnostics &Diags) {
  Weights = timed(Report.PackMilliseconds, [&] {
    Report.WeightsEmbedded = Options.Compiled && Options.Compiled->hasWeights();
    if (Report.WeightsEmbedded)
      return Options.Compiled->loadWeights(weightFiles(), manifest(), *Workers, Diags);
    if (Pending.isStarted())
      return Pending.take(Diags);
    return packWeights(weightFiles(), manifest(), *Workers, Options.NonFinite, Options.UseCache,
                       Diags);
  });
  if (Pending.isStarted())
    Report.PackMilliseconds = Pending.milliseconds();
  if (!Weights)
    return false;
  WeightBytes = Weights->bytes();
  Report.WeightsFromCache = Weights->fromCache();
  return true;
}

bool Model::loadExecutor(Diagnostics &Diags) {
  Run = timed(Report.PackMilliseconds, [&] { return On->load(Code, Weights, *Workers, Diags); });
  return Run != nullptr;
}

std::unique_ptr<Model> Model::load(std::unique_ptr<GGUFFile> File, ModelOptions Options,
                                   Diagnostics &Diags) {
  if (!File)
    return nullptr;
  std::unique_ptr<Model> Result(new Model);
  Result->File = std::move(File);
  Result->Calibrated = Options.Calibrated;
  // What an artefact carries lives as long as it does.
  if (std::shared_ptr<const Calibration> Own =
          Options.Compiled && !Result->Calibrated ? Options.Compiled->calibration() : nullptr)
    Result->Calibrated = {Own, Own->File.get()};
  Result->On = openDevice(Options.Device, Diags);
  if (Result->On && Options.Target == "host")
    Options.Target = Result->On->target();
  Result->Workers = Result->On ? WorkerPool::create(Options.Threads, Diags) : nullptr;
  NewProgram New;
  if (!Result->Workers || !enterStage(LoadStage::Program, Options, Diags))
    return nullptr;
  PendingWeights Pending(Result->weightFiles(), *Result->Workers, Options.NonFinite,
                         Options.UseCache);
  if (!Result->loadCode(Options, New, Pending, Diags) ||
      !enterStage(LoadStage::Weights, Options, Diags))
    return nullptr;
  // Linking and flushing a program is mostly waiting.
  Diagnostics StoreDiags;
  BackgroundTask Storing([&] { New.store(StoreDiags); });
  if (New.Code)
    Storing.start();
  bool Loaded = Result->loadWeights(Options, Pending, Diags);
  if (New.Code)
    if (const CompilerLibrary *Compiler = CompilerLibrary::open(Diags))
      Compiler->releasePages();
  Loaded = Loaded && Result->loadExecutor(Diags);
  Storing.wait();
  Diags.append(StoreDiags);
  if (!Loaded || !enterStage(LoadStage::Done, Options, Diags))
    return nullptr;
  return Result;
}

std::unique_ptr<Session> Model::createSession(const SessionOptions &Options,
                                              Diagnostics &Diags) const {
  return Session::create(*Run, Options, Diags);
}

} // namespace lathe
