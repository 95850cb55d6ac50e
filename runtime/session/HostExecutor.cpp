//===- HostExecutor.cpp - Steps on the workers of this process -------------===//

#include "runtime/session/HostExecutor.h"

#include "runtime/support/CheckedMath.h"

#include <algorithm>
#include <string>

using namespace lathe;

StepsAhead::~StepsAhead() = default;
StepRunner::~StepRunner() = default;
Executor::~Executor() = default;

namespace {

class HostRunner final : public StepRunner {
public:
  HostRunner(const Program &Code, WeightView Weights, WorkerPool &Workers)
      : Code(Code), Weights(Weights), Workers(Workers) {}

  bool allocate(const StepMemory &Wanted, Diagnostics &Diags);
  bool run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) override;
  void forget(int32_t Sequence) override {
    // The next prompt would fault all of its pages in again.
    constexpr size_t KeptBytes = size_t(16) << 20;
    if (Room.SlabBytes > KeptBytes)
      KV.release(static_cast<size_t>(Sequence) * Room.SlabBytes + KeptBytes,
                 Room.SlabBytes - KeptBytes);
  }
  int64_t workers() const override { return Workers.workers(); }
  MemoryReport memory() const override {
    return {Weights.Bytes, KV.size(), Arena.size(), Scratch.size()};
  }

private:
  void preferLargePages();

  const Program &Code;
  WeightView Weights;
  WorkerPool &Workers;
  StepMemory Room;
  int64_t ScratchStride = 0;
  bool LargePages = false; ///< Whether they were asked for.
  MappedMemory Arena, Scratch, KV;
};

} // namespace

/// `Count` times `Each`, as zeroed memory in `Memory`.
static bool allocateMemory(const char *What, uint64_t Each, uint64_t Count,
                           const MemorySource &Source, MappedMemory &Memory, Diagnostics &Diags) {
  std::optional<uint64_t> Bytes = checkedMul(Each, Count);
  std::optional<MappedMemory> Mapped =
      Bytes ? MappedMemory::allocateFrom(Source, *Bytes) : std::nullopt;
  if (!Mapped) {
    Diags.error(810, What,
                "no memory for " + std::to_string(Count) + " times " + std::to_string(Each) +
                    " bytes",
                "ask for a smaller context or fewer sequences");
    return false;
  }
  Memory = std::move(*Mapped);
  return true;
}

bool HostRunner::allocate(const StepMemory &Wanted, Diagnostics &Diags) {
  Room = Wanted;
  uint64_t ArenaBytes = 0, ScratchBytes = 0;
  for (const ManifestEntry &Entry : Code.manifest().Entries) {
    ArenaBytes = std::max<uint64_t>(ArenaBytes, Entry.ArenaBytes);
    ScratchBytes = std::max<uint64_t>(ScratchBytes, Entry.ScratchBytes);
  }
  uint64_t Stride = (ScratchBytes + CacheLineBytes - 1) / CacheLineBytes * CacheLineBytes;
  ScratchStride = static_cast<int64_t>(Stride);
  auto Get = [&](const char *What, uint64_t Each, uint64_t Count, MappedMemory &Memory) {
    return allocateMemory(What, Each, Count, Room.Source, Memory, Diags);
  };
  return Get("arena", ArenaBytes, 1, Arena) &&
         Get("scratch memory", Stride, Workers.workers(), Scratch) &&
         Get("KV cache", Room.SlabBytes, static_cast<uint64_t>(Room.Sequences), KV);
}

/// A long prompt touches thousands of small pages, each with a fault of its own; a short one
/// would take more memory by large pages.
void HostRunner::preferLargePages() {
  LargePages = true;
  if (Room.Source.Allocate)
    return;
  Arena.adviseHugePages();
  KV.adviseHugePages();
}

bool HostRunner::run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) {
  constexpr int64_t LongPrompt = 64;
  if (!LargePages && Args.rows >= LongPrompt)
    preferLargePages();
  Args.arena = Arena.data();
  Args.scratch = Scratch.data();
  Args.scratch_stride = ScratchStride;
  Args.weights = Weights.Table;
  Args.kv = KV.data();
  Args.kv_slab_bytes = static_cast<int64_t>(Room.SlabBytes);
  Args.kv_capacity = Room.Capacity;
  return Code.run(Entry, Args, Workers, Diags);
}

std::unique_ptr<StepRunner> HostExecutor::createRunner(const StepMemory &Memory,
                                                       Diagnostics &Diags) {
  auto Runner = std::make_unique<HostRunner>(Code, Weights, Workers);
  if (!Runner->allocate(Memory, Diags))
    return nullptr;
  return Runner;
}
