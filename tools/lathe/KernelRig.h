//===- KernelRig.h - Calls the kernels of a model one by one ----*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_KERNELRIG_H
#define LATHE_TOOLS_LATHE_KERNELRIG_H

#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/Schedule.h"

#include "runtime/session/CompilerLibrary.h"

namespace lathe::cli {

/// A compiled phase and the layers that run it.
struct Kernel {
  using Function = void (*)(lathe_step_args *Args, int64_t Layer, int64_t Worker, int64_t Workers);

  Function Run = nullptr;
  std::vector<int64_t> Layers; ///< Never empty.
};

/// A program with real weights and memory, whose phases can be called alone.
class KernelRig {
public:
  /// Compiles `File`, packs its weights and computes the first `Depth` positions.
  /// Null on error; E0807 when it was interrupted.
  static std::unique_ptr<KernelRig> create(const GGUFFile &File, const ModelArguments &Arguments,
                                           int64_t Depth, Terminal &Term, Diagnostics &Diags);

  WorkerPool &workers() { return *Workers; }

  /// The kernels of all phases of `Entry`.  Empty with E0605 when one is missing.
  std::vector<Kernel> findKernels(const ScheduleEntry &Entry, Diagnostics &Diags);

  /// The steps that are timed have `Step`'s rows behind the first positions.
  void prepare(const ScheduleStep &Step) { setRows(Depth, Step.Rows, Step.LogitsRows); }

  /// Seconds that all layers of kernel `Index` of `All` take one after the other.
  /// Ahead of them the caches are left as the rest of a step leaves them.
  double timeKernel(const std::vector<Kernel> &All, size_t Index);
  /// Seconds of a whole step.
  double timeStep();

private:
  KernelRig() = default;

  bool compile(const GGUFFile &File, const ModelArguments &Arguments, Diagnostics &Diags);
  bool allocate(Diagnostics &Diags);
  void setRows(int64_t First, int64_t Count, int64_t WithLogits);
  bool fillCache(Diagnostics &Diags);
  void runAll(const Kernel &Each, int64_t Worker, int64_t Count);
  void readOther(int64_t Worker);

  int64_t Depth = 0, MostRows = 0;
  std::unique_ptr<WorkerPool> Workers;
  std::shared_ptr<CompileResult> Code;
  std::shared_ptr<const Program> Compiled;
  std::unique_ptr<WeightStore> Weights;
  MappedMemory Arena, Scratch, KV, Logits, Other;
  std::vector<int32_t> Tokens, Positions, Sequences, LogitsRows;
  std::vector<int32_t> LayerRuns, Widths; ///< lathe_step_args::layer_runs, widths and exit_at.
  std::vector<float> ExitAt;
  lathe_step_args Args{};
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_KERNELRIG_H
