//===- Model.cpp - A model file, compiled and packed ------------*- C++ -*-===//

#include "runtime/session/Model.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/HostCPU.h"
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
  Parts.Host = hostDescription();
  return ProgramCache::key(Parts);
}

static std::shared_ptr<CompileResult> compileModel(const ModelOptions &Options,
                                                   Diagnostics &Diags) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return nullptr;
  CompileRequest Request;
  Request.Input = Options.Path;
  Request.Target = Options.Target;
  Request.Precision = Options.Precision;
  Request.MaxPrefillRows = Options.MaxPrefillRows;
  return Compiler->compile(Request, Diags);
}

std::shared_ptr<const Program> Model::findOrCompile(const ModelOptions &Options,
                                                    Diagnostics &Diags) {
  std::optional<ProgramCache> Cache;
  std::string Key;
  if (Options.UseCache) {
    std::shared_ptr<const Program> Found =
        timed(Report.CacheMilliseconds, [&]() -> std::shared_ptr<const Program> {
          Cache = ProgramCache::open(ProgramCache::defaultFolder(), Diags);
          if (!Cache)
            return nullptr;
          Key = cacheKey(*File, Options);
          return Cache->find(Key, Diags);
        });
    Report.CacheHit = Found != nullptr;
    if (Found)
      return Found;
  }
  std::shared_ptr<const Program> Compiled;
  std::shared_ptr<CompileResult> Result = timed(Report.CompileMilliseconds, [&] {
    std::shared_ptr<CompileResult> Code = compileModel(Options, Diags);
    if (Code)
      Compiled = Program::create([&](const char *Symbol) { return Code->lookup(Symbol); }, Code,
                                 Options.Path, Diags);
    return Code;
  });
  if (Compiled && Cache)
    timed(Report.CacheMilliseconds, [&] {
      return Cache->store(
          Key, [&](const std::string &Path) { return Result->writeLibrary(Path); }, Diags);
    });
  return Compiled;
}

std::unique_ptr<Model> Model::load(const ModelOptions &Options, Diagnostics &Diags) {
  std::unique_ptr<Model> Result(new Model);
  Result->Workers = WorkerPool::create(Options.Threads, Diags);
  Result->File = GGUFFile::open(Options.Path, Diags);
  if (!Result->Workers || !Result->File)
    return nullptr;
  Result->Code = Result->findOrCompile(Options, Diags);
  if (!Result->Code)
    return nullptr;
  Result->Weights = timed(Result->Report.PackMilliseconds, [&] {
    return WeightStore::create(*Result->File, Result->manifest(), *Result->Workers,
                               SourcePages::Release, Diags);
  });
  if (!Result->Weights)
    return nullptr;
  return Result;
}

std::unique_ptr<Session> Model::createSession(const SessionOptions &Options,
                                              Diagnostics &Diags) const {
  return Session::create(*Code, Weights->view(), *Workers, Options, Diags);
}

} // namespace lathe
