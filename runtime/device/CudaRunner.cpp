//===- CudaRunner.cpp - Steps of a session on a GPU -------------------------===//

#include "runtime/device/CudaRunner.h"

#include "runtime/support/CheckedMath.h"

#include "lathe/device_abi.h"

#include <algorithm>
#include <cstring>
#include <limits>

using namespace lathe;

static size_t aligned(size_t Bytes) { return (Bytes + 63) / 64 * 64; }

CudaStepLayout::CudaStepLayout(const Manifest &Program, const ManifestEntry &Entry) {
  size_t Next = 0;
  auto Place = [&](size_t Size) {
    size_t Start = Next;
    Next = aligned(Start + Size);
    return Start;
  };
  size_t RowBytes = static_cast<size_t>(Entry.MaxRows) * sizeof(int32_t);
  Args = Place(sizeof(lathe_step_args));
  Token = Place(RowBytes);
  Position = Place(RowBytes);
  Sequence = Place(RowBytes);
  LogitsRow = Place(RowBytes);
  LayerRuns = Place(static_cast<size_t>(Program.Model.Layers) * sizeof(int32_t));
  ExitAt = Place(static_cast<size_t>(Program.Model.Layers) * sizeof(float));
  ExitLayer = Place(sizeof(int64_t));
  Scratch = Place(LATHE_DEVICE_ZERO_BYTES);
  CopiedBytes = Next;
  Bytes = std::max(CopiedBytes, Scratch + aligned(static_cast<size_t>(Entry.ScratchBytes)));
}

CudaRunner::CudaRunner(std::shared_ptr<const CudaCode> Given)
    : Loaded(std::move(Given)), Context(*Loaded->Context) {
  const Manifest &Program = Loaded->Code->manifest();
  for (const ManifestEntry &Entry : Program.Entries)
    Layouts.emplace_back(Program, Entry);
  for (std::vector<Recorded> &Each : Graphs)
    Each.resize(Program.Entries.size());
}

CudaRunner::~CudaRunner() {
  CudaContext::Use Current(Context);
  for (const std::vector<Recorded> &Each : Graphs)
    for (const Recorded &Graph : Each)
      if (Graph.Executable)
        Context.functions().DestroyExecutable(Graph.Executable);
}

size_t CudaRunner::logitsBytes(int64_t Rows) const {
  return static_cast<size_t>(Rows) * static_cast<size_t>(Loaded->Code->manifest().resultWidth()) *
         sizeof(float);
}

bool CudaRunner::allocate(const StepMemory &Wanted, Diagnostics &Diags) {
  Room = Wanted;
  uint64_t ArenaBytes = 0;
  size_t BlockBytes = 0, CopiedBytes = 0;
  for (const ManifestEntry &Entry : Loaded->Code->manifest().Entries)
    ArenaBytes = std::max<uint64_t>(ArenaBytes, static_cast<uint64_t>(Entry.ArenaBytes));
  for (const CudaStepLayout &Layout : Layouts) {
    BlockBytes = std::max(BlockBytes, Layout.Bytes);
    CopiedBytes = std::max(CopiedBytes, Layout.CopiedBytes);
  }
  uint64_t KVBytes = checkedMul(Room.SlabBytes, static_cast<uint64_t>(Room.Sequences))
                         .value_or(std::numeric_limits<uint64_t>::max());
  const std::shared_ptr<const CudaContext> &Of = Loaded->Context;
  if (!Arena.allocate(Of, ArenaBytes, "the arena", Diags) ||
      !KV.allocate(Of, KVBytes, "the KV cache", Diags) ||
      !Block.allocate(Of, BlockBytes, "arguments", Diags) ||
      !HostBlock.allocate(Of, CopiedBytes, Diags) || !growLogits(1, Diags) ||
      !HostLogits.allocate(Of, logitsBytes(1), Diags) ||
      !HostExit.allocate(Of, sizeof(int64_t), Diags) || !Stream.create(Of, Diags))
    return false;
  std::memset(HostBlock.data(), 0, CopiedBytes);
  CudaContext::Use Current(Context);
  return (KVBytes == 0 ||
          Context.check(Context.functions().Fill(KV.address(), 0, KVBytes, Stream.handle()),
                        "cuMemsetD8Async", Diags)) &&
         Stream.wait(Diags);
}

MemoryReport CudaRunner::memory() const {
  return {Loaded->weightBytes(), KV.size(), Arena.size(), Block.size() + Logits.size()};
}

bool CudaRunner::growLogits(int64_t Rows, Diagnostics &Diags) {
  if (logitsBytes(Rows) <= Logits.size())
    return true;
  // Recorded operations name the place of the logits.
  for (Recorded &Graph : Graphs[1]) {
    if (Graph.Executable)
      Context.functions().DestroyExecutable(Graph.Executable);
    Graph = {};
  }
  Logits = {};
  return Logits.allocate(Loaded->Context, logitsBytes(Rows), "logits", Diags);
}

/// The arguments as the kernel wants them: all pointers are the GPU's.
void CudaRunner::fillBlock(const CudaStepLayout &Layout, const lathe_step_args &Given) {
  uint8_t *Host = HostBlock.data();
  auto Device = [](cuda::Address Address) { return reinterpret_cast<void *>(Address); };
  auto Put = [&]<typename T>(size_t Place, const T *From, int64_t Count) {
    std::memcpy(Host + Place, From, static_cast<size_t>(Count) * sizeof(T));
    return static_cast<T *>(Device(Block.address() + Place));
  };
  const int64_t Layers = Loaded->Code->manifest().Model.Layers;
  // Another entry has something else in its place.
  std::memset(Host + Layout.Scratch, 0, LATHE_DEVICE_ZERO_BYTES);
  lathe_step_args Args = {};
  Args.arena = static_cast<uint8_t *>(Device(Arena.address()));
  Args.scratch = static_cast<uint8_t *>(Device(Block.address() + Layout.Scratch));
  Args.weights = static_cast<const uint8_t *const *>(Device(Loaded->weightTable()));
  Args.kv = static_cast<uint8_t *>(Device(KV.address()));
  Args.kv_slab_bytes = static_cast<int64_t>(Room.SlabBytes);
  Args.kv_capacity = Room.Capacity;
  Args.rows = Given.rows;
  Args.token = Put(Layout.Token, Given.token, Given.rows);
  Args.position = Put(Layout.Position, Given.position, Given.rows);
  Args.sequence = Put(Layout.Sequence, Given.sequence, Given.rows);
  Args.logits_rows = Given.logits_rows;
  Args.logits_row = Put(Layout.LogitsRow, Given.logits_row, Given.logits_rows);
  Args.logits = static_cast<float *>(Device(Logits.address()));
  Args.layer_runs = Put(Layout.LayerRuns, Given.layer_runs, Layers);
  Args.exit_at = Put(Layout.ExitAt, Given.exit_at, Layers);
  Args.exit_layer = Put(Layout.ExitLayer, Given.exit_layer, 1);
  std::memcpy(Host + Layout.Args, &Args, sizeof(Args));
}

/// Arguments in, the kernel, and logits out to `To`.
bool CudaRunner::enqueue(size_t Entry, const lathe_step_args &Args, float *To, Diagnostics &Diags) {
  const CudaStepLayout &Layout = Layouts[Entry];
  const ManifestLaunch &Launch = Loaded->Code->manifest().Launch;
  const CudaKernel &Kernel = Loaded->kernel(Entry);
  cuda::Address Argument = Block.address() + Layout.Args;
  void *Arguments[] = {&Argument};
  return Stream.copyIn(Block.address(), HostBlock.data(), Layout.CopiedBytes, Diags) &&
         Context.check(Context.functions().LaunchCooperative(
                           Kernel.Function, Kernel.Blocks, 1, 1,
                           static_cast<unsigned>(Launch.Threads), 1, 1,
                           static_cast<unsigned>(Launch.SharedBytes), Stream.handle(), Arguments),
                       "cuLaunchCooperativeKernel", Diags) &&
         Stream.copyOut(To, Logits.address(), logitsBytes(Args.logits_rows), Diags) &&
         (!hasExits() || Stream.copyOut(HostExit.data(), Block.address() + Layout.ExitLayer,
                                        sizeof(int64_t), Diags));
}

/// Leaves `Into` empty where the driver cannot record: the operations are then given one
/// by one.
void CudaRunner::record(size_t Entry, const lathe_step_args &Args, Recorded &Into) {
  const CudaRunFunctions &Functions = Context.functions();
  Into.IsTried = true;
  cuda::Handle Graph = nullptr;
  Diagnostics Ignored;
  if (!Functions.BeginCapture ||
      Functions.BeginCapture(Stream.handle(), cuda::CaptureThreadLocal) != cuda::Success)
    return;
  bool Takes = enqueue(Entry, Args, reinterpret_cast<float *>(HostLogits.data()), Ignored);
  if (Functions.EndCapture(Stream.handle(), &Graph) != cuda::Success || !Graph)
    return;
  if (!Takes || Functions.InstantiateGraph(&Into.Executable, Graph, /*Flags=*/0) != cuda::Success)
    Into.Executable = nullptr;
  Functions.DestroyGraph(Graph);
}

bool CudaRunner::start(size_t Entry, const lathe_step_args &Args, Diagnostics &Diags) {
  if (Loaded->Code->manifest().Entries[Entry].MaxRows != 1)
    return enqueue(Entry, Args, Args.logits, Diags);
  Recorded &Graph = Graphs[Args.logits_rows][Entry];
  if (!Graph.IsTried)
    record(Entry, Args, Graph);
  if (!Graph.Executable)
    return enqueue(Entry, Args, reinterpret_cast<float *>(HostLogits.data()), Diags);
  return Context.check(Context.functions().LaunchGraph(Graph.Executable, Stream.handle()),
                       "cuGraphLaunch", Diags);
}

bool CudaRunner::run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) {
  CudaContext::Use Current(Context);
  if (!growLogits(Args.logits_rows, Diags))
    return false;
  fillBlock(Layouts[Entry], Args);
  if (!start(Entry, Args, Diags) || !Stream.wait(Diags))
    return false;
  if (hasExits())
    std::memcpy(Args.exit_layer, HostExit.data(), sizeof(int64_t));
  if (Loaded->Code->manifest().Entries[Entry].MaxRows == 1)
    std::memcpy(Args.logits, HostLogits.data(), logitsBytes(Args.logits_rows));
  return true;
}
