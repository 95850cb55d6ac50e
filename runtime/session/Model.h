//===- Model.h - A model file, compiled and packed --------------*- C++ -*-===//
//
// Ties the runtime together: the model file, the program compiled for it (from
// the cache, else by the compiler), its packed weights and the worker threads.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_MODEL_H
#define LATHE_RUNTIME_SESSION_MODEL_H

#include "runtime/device/Device.h"
#include "runtime/formats/GGUF.h"
#include "runtime/session/CompiledModel.h"
#include "runtime/session/Program.h"
#include "runtime/session/Session.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace lathe {

/// What a load is about to do.
enum class LoadStage { Program, Weights, Done };

struct ModelOptions {
  /// What was compiled ahead: neither the cache nor the compiler is asked, and
  /// target and precision choose among what there is.  Null: compile.
  std::shared_ptr<const CompiledModel> Compiled = nullptr;
  /// A program written as MLIR to compile in place of the model file's own graph,
  /// from whose file its weights are; empty: none.
  std::string ProgramPath = {};
  std::string Device = "cpu";     ///< What to run on (openDevice).
  std::string Target = "host";    ///< lathe_compile_request::target; "host": the device's.
  std::string Precision = "auto"; ///< lathe_compile_request::precision.
  std::string KVType = "auto";    ///< lathe_compile_request::kv_type.
  unsigned Threads = 0;           ///< 0: one per core this process may run on.
  int64_t MaxPrefillRows = 0;     ///< 0: the compiler's default.
  std::string Passes = {};        ///< lathe_compile_request::passes.
  /// The weights that are in the file `Calibration::FileName`; null: those that `Compiled`
  /// carries, if any.
  std::shared_ptr<const TensorFile> Calibrated = nullptr;
  bool AnyResults = false; ///< Whether results need not be logits (Session::resultWidth).
  bool UseCache = true;
  NonFiniteWeights NonFinite = NonFiniteWeights::Warning;
  /// The session that will be asked for, so that one that cannot fit is refused
  /// before anything is compiled.  Capacity 0 is the model's context, of which
  /// only a part may ever be used; any other is counted as used.
  int64_t Capacity = 0;
  int64_t Sequences = 1;
  /// Called before each stage; false ends the load with E0807.
  std::function<bool(LoadStage Next)> OnStage = {};
};

/// What loading cost.
struct LoadReport {
  bool CompiledAhead = false; ///< From an artefact; no cache was asked.
  bool CacheHit = false;
  double CompileMilliseconds = 0; ///< 0 on a cache hit.
  double CacheMilliseconds = 0;   ///< Looking up; storing too, where nothing else goes on.
  bool WeightsFromCache = false;
  bool WeightsEmbedded = false; ///< In the artefact.
  double PackMilliseconds = 0;  ///< Packing, perhaps while compiling; or mapping what is packed.
};

class PendingWeights;

class Model {
public:
  /// The program for `File`, as it was compiled ahead, from the cache or from the compiler, which
  /// stores it there; no weight is read.  It may be one for another CPU.  Null on error; warnings
  /// of the cache go to `Diags` as well.
  static std::shared_ptr<const Program> loadProgram(const GGUFFile &File,
                                                    const ModelOptions &Options, LoadReport &Report,
                                                    Diagnostics &Diags);

  /// All that a session needs.  Null on error, besides those of its parts: null
  /// `File` (whose error was told), E0604 or E0854 a program for another processor,
  /// E0807 interrupted, E0810 or E0855 more memory than there is, E085x of the device.
  static std::unique_ptr<Model> load(std::unique_ptr<GGUFFile> File, ModelOptions Options,
                                     Diagnostics &Diags);

  const GGUFFile &file() const { return *File; }
  const Program &program() const { return *Code; }
  const Manifest &manifest() const { return Code->manifest(); }
  /// Of a model that runs on the CPU.
  const WeightStore &weights() const { return *Weights; }
  /// Packed size, wherever they are.
  size_t weightBytes() const { return WeightBytes; }
  const Device &device() const { return *On; }
  WorkerPool &workers() const { return *Workers; }
  const LoadReport &report() const { return Report; }

  /// A session on this model, which must outlive it.
  std::unique_ptr<Session> createSession(const SessionOptions &Options, Diagnostics &Diags) const;

private:
  struct NewProgram;

  Model() = default;
  static std::shared_ptr<const Program> findOrCompile(const GGUFFile &File,
                                                      const ModelOptions &Options,
                                                      LoadReport &Report, NewProgram &New,
                                                      PendingWeights *Pending, Diagnostics &Diags);
  WeightFiles weightFiles() const;
  bool loadCode(const ModelOptions &Options, NewProgram &New, PendingWeights &Pending,
                Diagnostics &Diags);
  bool loadWeights(const ModelOptions &Options, PendingWeights &Pending, Diagnostics &Diags);
  bool loadExecutor(Diagnostics &Diags);

  std::unique_ptr<GGUFFile> File;
  std::shared_ptr<const TensorFile> Calibrated; ///< Of weights; null: there are no others.
  std::shared_ptr<const Device> On;
  std::unique_ptr<WorkerPool> Workers;
  std::shared_ptr<const Program> Code;
  std::unique_ptr<WeightStore> Weights; ///< Null where the device has a copy.
  size_t WeightBytes = 0;
  std::unique_ptr<Executor> Run;
  LoadReport Report;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_MODEL_H
