//===- TensorFunction.h - A program that maps tensors to tensors -*- C++ -*-===//
//
// A program written by hand as MLIR (docs/ir-input.md) whose @main takes and
// returns tensors of f32.  It is compiled, or found in the cache of programs, as a
// model is; what runs it needs no compiler.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_TENSORFUNCTION_H
#define LATHE_RUNTIME_SESSION_TENSORFUNCTION_H

#include "runtime/formats/TensorFile.h"
#include "runtime/session/Program.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

struct FunctionOptions {
  std::string Target = "host";    ///< lathe_compile_request::target.
  std::string Precision = "auto"; ///< lathe_compile_request::precision.
  unsigned Threads = 0;           ///< 0: one per core this process may run on.
  int64_t Rows = 1;               ///< Most rows of a run.
  bool UseCache = true;
  std::string Weights;     ///< The file of the weights that name none; empty: there are no such.
  std::string Passes = {}; ///< lathe_compile_request::passes.
  /// All of the input that the program depends on; empty: its text is all.
  std::span<const uint8_t> Header = {};
  NonFiniteWeights NonFinite = NonFiniteWeights::Warning;
};

/// Not thread-safe.
class TensorFunction {
public:
  /// Compiles the program at `Path`, or finds it in the cache, and packs its
  /// weights.  Null on error, besides those of the compiler, of the files and of
  /// WeightStore: E0830 the program is a model.
  static std::unique_ptr<TensorFunction> load(const std::string &Path,
                                              const FunctionOptions &Options, Diagnostics &Diags);

  const Manifest &manifest() const { return Code->manifest(); }
  /// Whether the program came from the cache.
  bool fromCache() const { return FromCache; }

  /// The rows that inputs of these shapes have: 1 where none has any.  Nullopt
  /// with E0832 when a shape is not the function's, all of them told.
  std::optional<int64_t> findRows(std::span<const std::vector<int64_t>> Inputs,
                                  Diagnostics &Diags) const;

  /// Computes `Outputs`, of the function's shapes with `Rows` rows, from `Inputs`,
  /// whose shapes findRows accepted; no two share memory.  False on error: E0805
  /// more rows than were asked for, E0806, E0810.
  bool run(std::span<const float *const> Inputs, std::span<float *const> Outputs, int64_t Rows,
           Diagnostics &Diags);

private:
  TensorFunction() = default;
  bool findProgram(const std::string &Path, const FunctionOptions &Options, Diagnostics &Diags);
  bool openWeights(const std::string &Path, const FunctionOptions &Options, Diagnostics &Diags);

  std::unique_ptr<WorkerPool> Workers;
  std::shared_ptr<const Program> Code;
  std::vector<std::unique_ptr<TensorFile>> Files;
  std::unique_ptr<WeightStore> Weights;
  bool FromCache = false;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_TENSORFUNCTION_H
