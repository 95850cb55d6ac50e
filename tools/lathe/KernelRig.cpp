//===- KernelRig.cpp - Calls the kernels of a model one by one --------------===//

#include "tools/lathe/KernelRig.h"
#include "tools/lathe/PeakLoops.h"
#include "tools/lathe/Signals.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <random>

using namespace lathe;
using namespace lathe::cli;

/// What is read ahead of a kernel of a long step: more than most caches hold.
static constexpr size_t OtherBytes = size_t(64) << 20;
/// Ahead of a kernel of a short step, the rest of the step is run instead.
static constexpr int64_t ShortRows = 8;

bool KernelRig::compile(const GGUFFile &File, const ModelArguments &Arguments, Diagnostics &Diags) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return false;
  CompileRequest Request;
  Request.Input = File.path();
  Request.Target = Arguments.Compile.Target;
  Request.Precision = Arguments.Compile.Precision;
  Request.KVType = Arguments.Compile.KVType;
  Code = Compiler->compile(Request, Diags);
  if (Code)
    Compiled = Program::create([this](const char *Symbol) { return Code->lookup(Symbol); }, Code,
                               File.path(), Diags);
  return Compiled && Compiled->checkHost(Diags);
}

static bool allocateMemory(MappedMemory &Memory, uint64_t Bytes, Diagnostics &Diags) {
  std::optional<MappedMemory> Mapped = MappedMemory::allocate(Bytes);
  if (Mapped)
    Memory = std::move(*Mapped);
  else
    Diags.error(810, "timing kernels", "no memory for " + formatBytes(Bytes));
  return Mapped.has_value();
}

bool KernelRig::allocate(Diagnostics &Diags) {
  const Manifest &Facts = Compiled->manifest();
  uint64_t ArenaBytes = 64, ScratchBytes = 64;
  for (const ManifestEntry &Entry : Facts.Entries) {
    MostRows = std::max(MostRows, Entry.MaxRows);
    ArenaBytes = std::max<uint64_t>(ArenaBytes, static_cast<uint64_t>(Entry.ArenaBytes));
    ScratchBytes = std::max<uint64_t>(ScratchBytes, static_cast<uint64_t>(Entry.ScratchBytes));
  }
  int64_t Capacity =
      (Depth + MostRows + KVPositionGranule - 1) / KVPositionGranule * KVPositionGranule;
  uint64_t Stride = (ScratchBytes + 63) / 64 * 64;
  Args.kv_capacity = Capacity;
  Args.kv_slab_bytes = Capacity * Facts.KVBytesPerPosition;
  Args.scratch_stride = static_cast<int64_t>(Stride);
  // No step wants more logits than a small one has rows.
  uint64_t LogitsBytes = 4 * static_cast<uint64_t>(Facts.Model.Vocabulary) * 8;
  if (!allocateMemory(Arena, ArenaBytes, Diags) ||
      !allocateMemory(Scratch, Stride * static_cast<uint64_t>(Workers->workers()), Diags) ||
      !allocateMemory(KV, std::max<uint64_t>(64, static_cast<uint64_t>(Args.kv_slab_bytes)),
                      Diags) ||
      !allocateMemory(Logits, LogitsBytes, Diags) || !allocateMemory(Other, OtherBytes, Diags))
    return false;
  std::fill_n(Other.data(), OtherBytes, uint8_t(1));
  Args.arena = Arena.data();
  Args.scratch = Scratch.data();
  Args.kv = KV.data();
  Args.logits = reinterpret_cast<float *>(Logits.data());
  Args.weights = Weights->table();
  // All layers and neurons, and no exit.
  LayerRuns.assign(static_cast<size_t>(Facts.Model.Layers), 1);
  ExitAt.assign(LayerRuns.size(), std::numeric_limits<float>::infinity());
  for (const ManifestWidth &Each : Facts.Widths)
    Widths.push_back(static_cast<int32_t>(Each.Neurons));
  Args.widths = Widths.data();
  Args.layer_runs = LayerRuns.data();
  Args.exit_at = ExitAt.data();
  Args.barrier = &WorkerPool::barrierCallback;
  Args.barrier_context = Workers.get();
  return true;
}

std::unique_ptr<KernelRig> KernelRig::create(const GGUFFile &File, const ModelArguments &Arguments,
                                             int64_t Depth, Terminal &Term, Diagnostics &Diags) {
  Term.progress("compiling and packing " + File.path() + " ...");
  std::unique_ptr<KernelRig> Rig(new KernelRig);
  Rig->Depth = Depth;
  Rig->Workers = WorkerPool::create(static_cast<unsigned>(Arguments.Threads.value_or(0)), Diags);
  if (!Rig->Workers || !Rig->compile(File, Arguments, Diags))
    return nullptr;
  Rig->Weights = WeightStore::create(
      File, Rig->Compiled->manifest(), *Rig->Workers, SourcePages::Release,
      Arguments.Strict ? NonFiniteWeights::Error : NonFiniteWeights::Warning, Diags);
  if (!Rig->Weights || !Rig->allocate(Diags) || !Rig->fillCache(Diags))
    return nullptr;
  return Rig;
}

void KernelRig::setRows(int64_t First, int64_t Count, int64_t WithLogits) {
  std::mt19937 Random(20240229);
  std::uniform_int_distribution<int32_t> Token(
      0, static_cast<int32_t>(Compiled->manifest().Model.Vocabulary - 1));
  Tokens.resize(static_cast<size_t>(Count));
  std::generate(Tokens.begin(), Tokens.end(), [&] { return Token(Random); });
  Positions.resize(static_cast<size_t>(Count));
  std::iota(Positions.begin(), Positions.end(), static_cast<int32_t>(First));
  Sequences.assign(static_cast<size_t>(Count), 0);
  LogitsRows.resize(static_cast<size_t>(WithLogits));
  std::iota(LogitsRows.begin(), LogitsRows.end(), static_cast<int32_t>(Count - WithLogits));
  Args.rows = Count;
  Args.token = Tokens.data();
  Args.position = Positions.data();
  Args.sequence = Sequences.data();
  Args.logits_rows = WithLogits;
  Args.logits_row = LogitsRows.data();
}

bool KernelRig::fillCache(Diagnostics &Diags) {
  for (int64_t At = 0; At < Depth; At += MostRows) {
    if (interruptFlag()->load(std::memory_order_relaxed)) {
      Diags.error(807, {}, "interrupted at position " + std::to_string(At));
      return false;
    }
    setRows(At, std::min(MostRows, Depth - At), 0);
    lathe_entry Entry = Compiled->entry(Compiled->entryFor(Args.rows));
    Workers->run([&](int64_t Worker, int64_t Count) { Entry(&Args, Worker, Count); });
  }
  return true;
}

std::vector<Kernel> KernelRig::findKernels(const ScheduleEntry &Entry, Diagnostics &Diags) {
  std::vector<Kernel> All;
  for (const SchedulePhase &Phase : Entry.Phases) {
    auto Run = reinterpret_cast<Kernel::Function>(Code->lookup(Phase.Symbol.c_str()));
    if (!Run) {
      Diags.error(605, "the compiled program", "lacks the phase '" + Phase.Symbol + "'");
      return {};
    }
    All.push_back({Run, Phase.Layers.empty() ? std::vector<int64_t>{0} : Phase.Layers});
  }
  return All;
}

void KernelRig::runAll(const Kernel &Each, int64_t Worker, int64_t Count) {
  for (int64_t Layer : Each.Layers)
    Each.Run(&Args, Layer, Worker, Count);
}

void KernelRig::readOther(int64_t Worker) {
  size_t Share = OtherBytes / static_cast<size_t>(Workers->workers()) / 4096 * 4096;
  findPeakLoops()->Read(Other.data() + static_cast<size_t>(Worker) * Share, Share);
}

double KernelRig::timeKernel(const std::vector<Kernel> &All, size_t Index) {
  std::chrono::steady_clock::time_point Start;
  double Seconds = 0;
  Workers->run([&](int64_t Worker, int64_t Count) {
    if (Args.rows > ShortRows)
      readOther(Worker);
    else
      for (size_t I = 1; I < All.size(); ++I) {
        runAll(All[(Index + I) % All.size()], Worker, Count);
        Workers->barrier(Worker);
      }
    Workers->barrier(Worker);
    if (Worker == 0)
      Start = std::chrono::steady_clock::now();
    runAll(All[Index], Worker, Count);
    Workers->barrier(Worker);
    if (Worker == 0)
      Seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - Start).count();
  });
  return Seconds;
}

double KernelRig::timeStep() {
  lathe_entry Whole = Compiled->entry(Compiled->entryFor(Args.rows));
  auto Start = std::chrono::steady_clock::now();
  Workers->run([&](int64_t Worker, int64_t Count) { Whole(&Args, Worker, Count); });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - Start).count();
}
