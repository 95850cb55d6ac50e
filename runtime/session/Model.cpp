//===- Model.cpp - A model file, compiled and packed ------------*- C++ -*-===//

#include "runtime/session/Model.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/HostCPU.h"
#include "runtime/session/MemoryNeed.h"
#include "runtime/session/ProgramCache.h"

#include <chrono>
#include <optional>

namespace lathe {

/// Milliseconds that `Body` takes are added to `Total`; gives what it returns.
template <typename Callable> static auto timed(double &Total, Callable Body) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point Start = Clock::now();
  auto Result = Body();
  Total += std::chrono::duration<double, std::milli>(Clock::now() - Start).count();
  return Result;
}

static std::string cacheKey(const GGUFFile &File, const ModelOptions &Options) {
  // The library's file stands for its version: asking it would mean opening it.
  std::string Build = CompilerLibrary::buildID(CompilerLibrary::locate());
  CacheKeyParts Parts;
  Parts.ModelHeader = File.headerBytes();
  Parts.Target = Options.Target;
  Parts.Precision = Options.Precision;
  Parts.MaxPrefillRows = Options.MaxPrefillRows;
  Parts.CompilerBuild = Build;
  // A program for a named target is the same wherever it was compiled.
  if (Options.Target == "host")
    Parts.Host = hostDescription();
  return ProgramCache::key(Parts);
}

static std::shared_ptr<CompileResult>
compileModel(const GGUFFile &File, const ModelOptions &Options, Diagnostics &Diags) {
  if (!checkCompilerMemory(File.bytes().size(), MemoryLimits::current(), Diags))
    return nullptr;
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return nullptr;
  CompileRequest Request;
  Request.Input = File.path();
  Request.Target = Options.Target;
  Request.Precision = Options.Precision;
  Request.MaxPrefillRows = Options.MaxPrefillRows;
  return Compiler->compile(Request, Diags);
}

std::shared_ptr<const Program> Model::loadProgram(const GGUFFile &File, const ModelOptions &Options,
                                                  LoadReport &Report, Diagnostics &Diags) {
  std::optional<ProgramCache> Cache;
  std::string Key;
  if (Options.UseCache) {
    std::shared_ptr<const Program> Found =
        timed(Report.CacheMilliseconds, [&]() -> std::shared_ptr<const Program> {
          Cache = ProgramCache::open(ProgramCache::defaultFolder(), Diags);
          if (!Cache)
            return nullptr;
          Key = cacheKey(File, Options);
          return Cache->find(Key, Diags);
        });
    Report.CacheHit = Found != nullptr;
    if (Found)
      return Found;
  }
  std::shared_ptr<const Program> Compiled;
  std::shared_ptr<CompileResult> Result = timed(Report.CompileMilliseconds, [&] {
    std::shared_ptr<CompileResult> Code = compileModel(File, Options, Diags);
    if (Code)
      Compiled = Program::create([&](const char *Symbol) { return Code->lookup(Symbol); }, Code,
                                 File.path(), Diags);
    return Code;
  });
  if (Compiled && Cache)
    timed(Report.CacheMilliseconds, [&] {
      return Cache->store(
          Key, [&](const std::string &Path) { return Result->writeLibrary(Path); }, Diags);
    });
  return Compiled;
}

/// Tells the next stage; false with E0807 when the load shall end there.
static bool enterStage(LoadStage Next, const ModelOptions &Options, Diagnostics &Diags) {
  if (!Options.OnStage || Options.OnStage(Next))
    return true;
  Diags.error(807, {}, "interrupted while the model was loaded");
  return false;
}

bool Model::loadCode(const ModelOptions &Options, Diagnostics &Diags) {
  uint64_t Threads = static_cast<uint64_t>(Workers->workers());
  auto Fits = [&](const MemoryNeed &Need) {
    return checkMemory(Need, Threads, Options.Capacity != 0, MemoryLimits::current(), Diags);
  };
  uint64_t Positions = static_cast<uint64_t>(Options.Capacity);
  uint64_t Sequences = static_cast<uint64_t>(Options.Sequences);
  if (!Fits(estimateMemoryNeed(*File, Positions, Sequences)))
    return false;
  Code = loadProgram(*File, Options, Report, Diags);
  return Code && Code->checkHost(Diags) && Fits(memoryNeed(manifest(), Positions, Sequences));
}

std::unique_ptr<Model> Model::load(std::unique_ptr<GGUFFile> File, const ModelOptions &Options,
                                   Diagnostics &Diags) {
  if (!File)
    return nullptr;
  std::unique_ptr<Model> Result(new Model);
  Result->File = std::move(File);
  Result->Workers = WorkerPool::create(Options.Threads, Diags);
  if (!Result->Workers || !enterStage(LoadStage::Program, Options, Diags) ||
      !Result->loadCode(Options, Diags) || !enterStage(LoadStage::Weights, Options, Diags))
    return nullptr;
  Result->Weights = timed(Result->Report.PackMilliseconds, [&] {
    return WeightStore::create(*Result->File, Result->manifest(), *Result->Workers,
                               SourcePages::Release, Options.NonFinite, Diags);
  });
  if (!Result->Weights || !enterStage(LoadStage::Done, Options, Diags))
    return nullptr;
  return Result;
}

std::unique_ptr<Session> Model::createSession(const SessionOptions &Options,
                                              Diagnostics &Diags) const {
  return Session::create(*Code, Weights->view(), *Workers, Options, Diags);
}

} // namespace lathe
