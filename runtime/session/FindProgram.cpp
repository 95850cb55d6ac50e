//===- FindProgram.cpp - A program from the cache or the compiler ---------===//

#include "runtime/session/FindProgram.h"

#include "runtime/session/HostCPU.h"
#include "runtime/session/MemoryNeed.h"
#include "runtime/session/ProgramCache.h"

#include <optional>

using namespace lathe;

static CacheNote noteOf(const ProgramQuery &Query) {
  // The library's file stands for its version: asking it would mean opening it.
  return {Query.Name,
          Query.Compile.Target,
          Query.Compile.Precision,
          Query.Compile.KVType,
          CompilerLibrary::buildID(CompilerLibrary::locate()),
          hostDescription()};
}

static std::string keyOf(const ProgramQuery &Query, const CacheNote &Note) {
  CacheKeyParts Parts;
  Parts.ModelHeader = Query.Header;
  Parts.Target = Query.Compile.Target;
  Parts.Precision = Query.Compile.Precision;
  Parts.KVType = Query.Compile.KVType;
  Parts.MaxPrefillRows = Query.Compile.MaxPrefillRows;
  Parts.CompilerBuild = Note.CompilerBuild;
  Parts.Host = Note.Host;
  Parts.Passes = Query.Compile.Passes;
  return ProgramCache::key(Parts);
}

static std::shared_ptr<CompileResult> compile(const ProgramQuery &Query, Diagnostics &Diags) {
  if (!checkCompilerMemory(0, MemoryLimits::current(), Diags))
    return nullptr;
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  return Compiler ? Compiler->compile(Query.Compile, Diags) : nullptr;
}

FoundProgram lathe::findProgram(const ProgramQuery &Query, Diagnostics &Diags) {
  std::optional<ProgramCache> Cache;
  if (Query.UseCache)
    Cache = ProgramCache::openDefault(Diags);
  CacheNote Note = noteOf(Query);
  std::string Key = keyOf(Query, Note);
  if (Cache)
    if (std::shared_ptr<const Program> Known = Cache->find(Key, Diags))
      return {Known, true};
  std::shared_ptr<CompileResult> Made = compile(Query, Diags);
  if (!Made)
    return {};
  std::shared_ptr<const Program> Code = Program::create(
      [&](const char *Symbol) { return Made->lookup(Symbol); }, Made, Query.Compile.Input, Diags);
  if (Code && Cache)
    Cache->store(
        Key, Note, [&](const std::string &Path) { return Made->writeLibrary(Path); }, Diags);
  return {Code, false};
}
