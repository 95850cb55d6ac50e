//===- CudaRunner.cpp - Steps of a session on a GPU -------------------------===//

#include "runtime/device/CudaRunner.h"

#include "runtime/support/CheckedMath.h"

#include "lathe/device_abi.h"

#include <algorithm>
#include <cstddef>
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
  for (Slot &Own : Slots)
    for (std::vector<Recorded> &Each : Own.Graphs)
      Each.resize(Program.Entries.size());
}

CudaRunner::~CudaRunner() {
  CudaContext::Use Current(Context);
  if (NumAhead != 0)
    Context.functions().Synchronize(Stream.handle());
  for (const Slot &Own : Slots)
    for (const std::vector<Recorded> &Each : Own.Graphs)
      for (const Recorded &Graph : Each)
        if (Graph.Executable)
          Context.functions().DestroyExecutable(Graph.Executable);
}

size_t CudaRunner::logitsBytes(int64_t Rows) const {
  return static_cast<size_t>(Rows) * static_cast<size_t>(Loaded->Code->manifest().resultWidth()) *
         sizeof(float);
}

/// Bytes that come back of a step that wants so few; of an entry of one row they are the same
/// each time, as a graph says how many.
size_t CudaRunner::greatestBytes(size_t Entry, const lathe_step_args &Args) const {
  int64_t Count = entry(Entry).MaxRows == 1 ? entry(Entry).GreatestLogits
                                            : Args.logits_rows * Args.wanted_logits;
  return static_cast<size_t>(Count) * sizeof(lathe_logit);
}

CudaRunner::Results CudaRunner::resultsOf(size_t Entry, const lathe_step_args &Args) const {
  if (Args.logits_rows == 0)
    return Nothing;
  bool AreFew = Args.wanted_logits > 0 && Args.wanted_logits <= entry(Entry).GreatestLogits;
  return AreFew ? GreatestLogits : AllLogits;
}

/// What all entries need.
bool CudaRunner::allocateSlots(size_t BlockBytes, Diagnostics &Diags) {
  const std::shared_ptr<const CudaContext> &Of = Loaded->Context;
  // A driver has no memory of no bytes.
  size_t GreatestBytes = sizeof(lathe_logit);
  for (const ManifestEntry &Entry : Loaded->Code->manifest().Entries)
    GreatestBytes =
        std::max(GreatestBytes,
                 static_cast<size_t>(Entry.MaxRows * Entry.GreatestLogits) * sizeof(lathe_logit));
  for (Slot &Own : Slots) {
    if (!Own.Block.allocate(Of, BlockBytes, Diags) ||
        !Own.Greatest.allocate(Of, GreatestBytes, Diags) ||
        !Own.Exit.allocate(Of, sizeof(int64_t), Diags) || !Own.Done.create(Of, Diags))
      return false;
    std::memset(Own.Block.data(), 0, BlockBytes);
  }
  return Greatest.allocate(Of, GreatestBytes, "logits", Diags);
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
      !Block.allocate(Of, BlockBytes, "arguments", Diags) || !allocateSlots(CopiedBytes, Diags) ||
      !growLogits(1, Diags) || !HostLogits.allocate(Of, logitsBytes(1), Diags) ||
      !Stream.create(Of, Diags))
    return false;
  CudaContext::Use Current(Context);
  return (KVBytes == 0 ||
          Context.check(Context.functions().Fill(KV.address(), 0, KVBytes, Stream.handle()),
                        "cuMemsetD8Async", Diags)) &&
         Stream.wait(Diags);
}

MemoryReport CudaRunner::memory() const {
  return {Loaded->weightBytes(), KV.size(), Arena.size(),
          Block.size() + Logits.size() + Greatest.size()};
}

bool CudaRunner::growLogits(int64_t Rows, Diagnostics &Diags) {
  if (logitsBytes(Rows) <= Logits.size())
    return true;
  // Recorded operations name the place of the logits.
  for (Slot &Own : Slots)
    for (std::vector<Recorded> &Each : Own.Graphs)
      for (Recorded &Graph : Each) {
        if (Graph.Executable)
          Context.functions().DestroyExecutable(Graph.Executable);
        Graph = {};
      }
  Logits = {};
  return Logits.allocate(Loaded->Context, logitsBytes(Rows), "logits", Diags);
}

/// The arguments as the kernel wants them: all pointers are the GPU's.
void CudaRunner::fillBlock(Slot &Own, const CudaStepLayout &Layout, const lathe_step_args &Given) {
  uint8_t *Host = Own.Block.data();
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
  cuda::Address Found = Greatest.address() + offsetof(lathe_logit, token);
  Args.token = Given.token ? Put(Layout.Token, Given.token, Given.rows)
                           : static_cast<const int32_t *>(Device(Found));
  Args.position = Put(Layout.Position, Given.position, Given.rows);
  Args.sequence = Put(Layout.Sequence, Given.sequence, Given.rows);
  Args.logits_rows = Given.logits_rows;
  Args.logits_row = Put(Layout.LogitsRow, Given.logits_row, Given.logits_rows);
  Args.logits = static_cast<float *>(Device(Logits.address()));
  Args.wanted_logits = Given.wanted_logits;
  Args.greatest = static_cast<lathe_logit *>(Device(Greatest.address()));
  Args.layer_runs = Put(Layout.LayerRuns, Given.layer_runs, Layers);
  Args.exit_at = Put(Layout.ExitAt, Given.exit_at, Layers);
  Args.exit_layer = Put(Layout.ExitLayer, Given.exit_layer, 1);
  std::memcpy(Host + Layout.Args, &Args, sizeof(Args));
}

/// Arguments in, the kernel, and results out: logits to `To`.
bool CudaRunner::enqueue(Slot &Own, size_t Entry, const lathe_step_args &Args, float *To,
                         Diagnostics &Diags) {
  const CudaStepLayout &Layout = Layouts[Entry];
  const ManifestLaunch &Launch = Loaded->Code->manifest().Launch;
  const CudaKernel &Kernel = Loaded->kernel(Entry);
  Results Wanted = resultsOf(Entry, Args);
  cuda::Address Argument = Block.address() + Layout.Args;
  void *Arguments[] = {&Argument};
  return Stream.copyIn(Block.address(), Own.Block.data(), Layout.CopiedBytes, Diags) &&
         Context.check(Context.functions().LaunchCooperative(
                           Kernel.Function, Kernel.Blocks, 1, 1,
                           static_cast<unsigned>(Launch.Threads), 1, 1,
                           static_cast<unsigned>(Launch.SharedBytes), Stream.handle(), Arguments),
                       "cuLaunchCooperativeKernel", Diags) &&
         (Wanted != AllLogits ||
          Stream.copyOut(To, Logits.address(), logitsBytes(Args.logits_rows), Diags)) &&
         (Wanted != GreatestLogits || Stream.copyOut(Own.Greatest.data(), Greatest.address(),
                                                     greatestBytes(Entry, Args), Diags)) &&
         (!hasExits() || Stream.copyOut(Own.Exit.data(), Block.address() + Layout.ExitLayer,
                                        sizeof(int64_t), Diags));
}

/// Leaves `Into` empty where the driver cannot record: the operations are then given one
/// by one.
void CudaRunner::record(Slot &Own, size_t Entry, const lathe_step_args &Args, Recorded &Into) {
  const CudaRunFunctions &Functions = Context.functions();
  Into.IsTried = true;
  cuda::Handle Graph = nullptr;
  Diagnostics Ignored;
  if (!Functions.BeginCapture ||
      Functions.BeginCapture(Stream.handle(), cuda::CaptureThreadLocal) != cuda::Success)
    return;
  bool Takes = enqueue(Own, Entry, Args, reinterpret_cast<float *>(HostLogits.data()), Ignored);
  if (Functions.EndCapture(Stream.handle(), &Graph) != cuda::Success || !Graph)
    return;
  if (!Takes || Functions.InstantiateGraph(&Into.Executable, Graph, /*Flags=*/0) != cuda::Success)
    Into.Executable = nullptr;
  Functions.DestroyGraph(Graph);
}

bool CudaRunner::launch(Slot &Own, size_t Entry, const lathe_step_args &Args, Diagnostics &Diags) {
  if (entry(Entry).MaxRows != 1)
    return enqueue(Own, Entry, Args, Args.logits, Diags);
  Recorded &Graph = Own.Graphs[resultsOf(Entry, Args)][Entry];
  if (!Graph.IsTried)
    record(Own, Entry, Args, Graph);
  if (!Graph.Executable)
    return enqueue(Own, Entry, Args, reinterpret_cast<float *>(HostLogits.data()), Diags);
  return Context.check(Context.functions().LaunchGraph(Graph.Executable, Stream.handle()),
                       "cuGraphLaunch", Diags);
}

/// Logits that were left out are ruled out.
void CudaRunner::takeResults(const Slot &From, size_t Entry, lathe_step_args &Args) const {
  Results Wanted = resultsOf(Entry, Args);
  if (hasExits())
    std::memcpy(Args.exit_layer, From.Exit.data(), sizeof(int64_t));
  if (Wanted == AllLogits && entry(Entry).MaxRows == 1)
    std::memcpy(Args.logits, HostLogits.data(), logitsBytes(1));
  if (Wanted != GreatestLogits)
    return;
  auto *Found = reinterpret_cast<const lathe_logit *>(From.Greatest.data());
  size_t Width = static_cast<size_t>(Loaded->Code->manifest().resultWidth());
  std::fill_n(Args.logits, static_cast<size_t>(Args.logits_rows) * Width,
              -std::numeric_limits<float>::infinity());
  for (int64_t Row = 0; Row < Args.logits_rows; ++Row)
    for (int64_t I = 0; I < Args.wanted_logits; ++I, ++Found)
      Args.logits[static_cast<size_t>(Row) * Width + static_cast<size_t>(Found->token)] =
          Found->logit;
}

/// Nothing is on its way any more.
bool CudaRunner::settle(Diagnostics &Diags) {
  if (NumAhead == 0)
    return true;
  NumAhead = 0;
  return Stream.wait(Diags);
}

bool CudaRunner::run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) {
  CudaContext::Use Current(Context);
  if (!settle(Diags) || !growLogits(Args.logits_rows, Diags))
    return false;
  Slot &Own = Slots.front();
  fillBlock(Own, Layouts[Entry], Args);
  if (!launch(Own, Entry, Args, Diags) || !Stream.wait(Diags))
    return false;
  takeResults(Own, Entry, Args);
  return true;
}

bool CudaRunner::start(size_t Entry, const lathe_step_args &Args, Diagnostics &Diags) {
  CudaContext::Use Current(Context);
  if (Args.token && !settle(Diags))
    return false;
  Slot &Own = Slots[(FirstAhead + NumAhead) % NumSlots];
  fillBlock(Own, Layouts[Entry], Args);
  if (!launch(Own, Entry, Args, Diags) || !Own.Done.record(Stream, Diags))
    return false;
  ++NumAhead;
  return true;
}

bool CudaRunner::finish(lathe_logit &Found, Diagnostics &Diags) {
  CudaContext::Use Current(Context);
  const Slot &Own = Slots[FirstAhead];
  if (!Own.Done.wait(Diags))
    return false;
  std::memcpy(&Found, Own.Greatest.data(), sizeof(Found));
  FirstAhead = (FirstAhead + 1) % NumSlots;
  --NumAhead;
  return true;
}
