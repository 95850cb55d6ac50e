//===- CudaRunner.h - Steps of a session on a GPU ---------------*- C++ -*-===//
//
// A step is three operations: its arguments go to the GPU as one block, the kernel of
// the entry runs on all processors at once, and logits come back.  Those of an entry of
// one row are the same at every step, places included, so they are one graph, where the
// driver has graphs.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_DEVICE_CUDARUNNER_H
#define LATHE_RUNTIME_DEVICE_CUDARUNNER_H

#include "runtime/device/CudaCode.h"
#include "runtime/session/StepRunner.h"

#include <vector>

namespace lathe {

/// Where things are in the block of arguments of an entry, in bytes.  The first bytes of
/// what abi.h calls scratch stand at its end, and come with every step because they begin
/// as zero; the rest lies behind them and is never copied.
struct CudaStepLayout {
  explicit CudaStepLayout(const Manifest &Program, const ManifestEntry &Entry);

  size_t Args, Token, Position, Sequence, LogitsRow, LayerRuns, ExitAt, ExitLayer, Scratch;
  size_t CopiedBytes, Bytes; ///< The latter with all of scratch.
};

class CudaRunner final : public StepRunner {
public:
  explicit CudaRunner(std::shared_ptr<const CudaCode> Loaded);
  ~CudaRunner() override;

  /// False with E0855 or E0856.
  bool allocate(const StepMemory &Wanted, Diagnostics &Diags);

  bool run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) override;
  /// The slab stays: what is in it is not read ahead of being written again.
  void forget(int32_t) override {}
  int64_t workers() const override { return 0; }
  MemoryReport memory() const override;

private:
  /// An entry's operations, recorded once.
  struct Recorded {
    cuda::Handle Executable = nullptr;
    bool IsTried = false;
  };

  bool growLogits(int64_t Rows, Diagnostics &Diags);
  void fillBlock(const CudaStepLayout &Layout, const lathe_step_args &Given);
  bool enqueue(size_t Entry, const lathe_step_args &Args, float *Logits, Diagnostics &Diags);
  void record(size_t Entry, const lathe_step_args &Args, Recorded &Into);
  bool start(size_t Entry, const lathe_step_args &Args, Diagnostics &Diags);
  size_t logitsBytes(int64_t Rows) const;
  bool hasExits() const { return !Loaded->Code->manifest().Exits.empty(); }

  const std::shared_ptr<const CudaCode> Loaded;
  const CudaContext &Context;
  StepMemory Room;
  CudaMemory Arena, KV, Block, Logits;
  PinnedMemory HostBlock, HostLogits;  ///< The latter one row.
  PinnedMemory HostExit;               ///< The layer behind which a step left the stack.
  std::vector<CudaStepLayout> Layouts; ///< One per entry.
  /// Of each entry of one row: without logits, and with one row of them.
  std::vector<Recorded> Graphs[2];
  CudaStream Stream; ///< Ends ahead of the memory that it works on.
};

} // namespace lathe

#endif // LATHE_RUNTIME_DEVICE_CUDARUNNER_H
