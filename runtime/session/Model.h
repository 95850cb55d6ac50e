//===- Model.h - A model file, compiled and packed --------------*- C++ -*-===//
//
// Ties the runtime together: the model file, the program compiled for it (from
// the cache, else by the compiler), its packed weights and the worker threads.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_MODEL_H
#define LATHE_RUNTIME_SESSION_MODEL_H

#include "runtime/formats/GGUF.h"
#include "runtime/session/Program.h"
#include "runtime/session/Session.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

#include <cstdint>
#include <memory>
#include <string>

namespace lathe {

struct ModelOptions {
  std::string Path;               ///< A GGUF file.
  std::string Target = "host";    ///< lathe_compile_request::target.
  std::string Precision = "auto"; ///< lathe_compile_request::precision.
  unsigned Threads = 0;           ///< 0: one per core this process may run on.
  int64_t MaxPrefillRows = 0;     ///< 0: the compiler's default.
  bool UseCache = true;
};

/// What loading cost.
struct LoadReport {
  bool CacheHit = false;
  double CompileMilliseconds = 0; ///< 0 on a cache hit.
  double CacheMilliseconds = 0;   ///< Looking up, or storing.
  double PackMilliseconds = 0;
};

class Model {
public:
  /// Null on error.  Warnings of the cache go to `Diags` as well.
  static std::unique_ptr<Model> load(const ModelOptions &Options, Diagnostics &Diags);

  const GGUFFile &file() const { return *File; }
  const Program &program() const { return *Code; }
  const Manifest &manifest() const { return Code->manifest(); }
  const WeightStore &weights() const { return *Weights; }
  WorkerPool &workers() const { return *Workers; }
  const LoadReport &report() const { return Report; }

  /// A session on this model, which must outlive it.
  std::unique_ptr<Session> createSession(const SessionOptions &Options, Diagnostics &Diags) const;

private:
  Model() = default;
  std::shared_ptr<const Program> findOrCompile(const ModelOptions &Options, Diagnostics &Diags);

  std::unique_ptr<GGUFFile> File;
  std::unique_ptr<WorkerPool> Workers;
  std::shared_ptr<const Program> Code;
  std::unique_ptr<WeightStore> Weights;
  LoadReport Report;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_MODEL_H
