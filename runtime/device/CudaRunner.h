//===- CudaRunner.h - Steps of a session on a GPU ---------------*- C++ -*-===//
//
// A step is three operations: its arguments go to the GPU as one block, the kernel of
// the entry runs on all processors at once, and logits come back, or the greatest of
// them.  Those of an entry of one row are the same at every step, places included, so
// they are one graph, where the driver has graphs.
//
// A step may take its token from where the step before has put its greatest logit.  Several
// such steps are on their way at once; what the host has for each of them is a slot.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_DEVICE_CUDARUNNER_H
#define LATHE_RUNTIME_DEVICE_CUDARUNNER_H

#include "runtime/device/CudaCode.h"
#include "runtime/session/StepRunner.h"

#include <array>
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

class CudaRunner final : public StepRunner, private StepsAhead {
public:
  explicit CudaRunner(std::shared_ptr<const CudaCode> Loaded);
  ~CudaRunner() override;

  /// False with E0855 or E0856.
  bool allocate(const StepMemory &Wanted, Diagnostics &Diags);

  bool run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) override;
  /// The slab stays: what is in it is not read ahead of being written again.
  void forget(int32_t) override {}
  int64_t workers() const override { return 0; }
  StepsAhead *ahead() override { return this; }
  MemoryReport memory() const override;

private:
  /// What comes back of a step.
  enum Results { Nothing, AllLogits, GreatestLogits, NumResults };

  /// An entry's operations, recorded once.
  struct Recorded {
    cuda::Handle Executable = nullptr;
    bool IsTried = false;
  };

  /// What a step that is on its way has for itself.  Pinned, as the GPU copies it.
  struct Slot {
    PinnedMemory Block;    ///< Arguments.
    PinnedMemory Greatest; ///< lathe_logit [rows][wanted].
    PinnedMemory Exit;     ///< The layer behind which the step left the stack.
    CudaEvent Done;
    /// Of each entry of one row, by what comes back.
    std::vector<Recorded> Graphs[NumResults];
  };
  static constexpr size_t NumSlots = 4;

  int64_t most() const override { return NumSlots; }
  bool start(size_t Entry, const lathe_step_args &Args, Diagnostics &Diags) override;
  bool finish(lathe_logit &Greatest, Diagnostics &Diags) override;

  bool allocateSlots(size_t BlockBytes, Diagnostics &Diags);
  bool settle(Diagnostics &Diags);
  bool growLogits(int64_t Rows, Diagnostics &Diags);
  void fillBlock(Slot &Own, const CudaStepLayout &Layout, const lathe_step_args &Given);
  bool enqueue(Slot &Own, size_t Entry, const lathe_step_args &Args, float *Logits,
               Diagnostics &Diags);
  void record(Slot &Own, size_t Entry, const lathe_step_args &Args, Recorded &Into);
  bool launch(Slot &Own, size_t Entry, const lathe_step_args &Args, Diagnostics &Diags);
  void takeResults(const Slot &From, size_t Entry, lathe_step_args &Args) const;
  Results resultsOf(size_t Entry, const lathe_step_args &Args) const;
  size_t logitsBytes(int64_t Rows) const;
  size_t greatestBytes(size_t Entry, const lathe_step_args &Args) const;
  const ManifestEntry &entry(size_t Number) const {
    return Loaded->Code->manifest().Entries[Number];
  }
  bool hasExits() const { return !Loaded->Code->manifest().Exits.empty(); }

  const std::shared_ptr<const CudaCode> Loaded;
  const CudaContext &Context;
  StepMemory Room;
  CudaMemory Arena, KV, Block, Logits, Greatest;
  PinnedMemory HostLogits;             ///< One row.
  std::vector<CudaStepLayout> Layouts; ///< One per entry.
  std::array<Slot, NumSlots> Slots;    ///< The first is that of `run`.
  size_t FirstAhead = 0, NumAhead = 0; ///< The slots, in a circle, of steps on their way.
  CudaStream Stream;                   ///< Ends ahead of the memory that it works on.
};

} // namespace lathe

#endif // LATHE_RUNTIME_DEVICE_CUDARUNNER_H
