//===- KernelBench.cpp - Times every kernel of a model alone ----------------===//
//
// The phases of an entry are called one after the other, as the entry calls them,
// so that each finds the values that it works on.  Ahead of going on to the next,
// a phase is run over all of its layers a number of times.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/KernelBench.h"
#include "tools/lathe/PeakLoops.h"
#include "tools/lathe/Signals.h"
#include "tools/lathe/TextTable.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>

using namespace lathe;
using namespace lathe::cli;

namespace {

/// What a schedule calls the function of a phase (compiler.h).
using PhaseFunction = void (*)(lathe_step_args *Args, int64_t Layer, int64_t Worker,
                               int64_t Workers);

/// Samples of one measurement: enough for this long, within these bounds.
constexpr double SecondsOfSamples = 0.15;
constexpr int64_t LeastSamples = 5, MostSamples = 30;
/// What is read between samples: more than last-level caches hold.
constexpr size_t EvictedBytes = size_t(64) << 20;

/// A program with weights and memory, whose phases can be called alone.
class KernelRig {
public:
  static std::unique_ptr<KernelRig> create(const GGUFFile &File, const ModelArguments &Arguments,
                                           int64_t Depth, Terminal &Term, Diagnostics &Diags);

  WorkerPool &workers() { return *Workers; }
  /// Fills in `Measured` of all cases and steps of `Plan`.
  bool measure(Schedule &Plan, Terminal &Term, Diagnostics &Diags);

private:
  bool compile(const GGUFFile &File, const ModelArguments &Arguments, Diagnostics &Diags);
  bool allocate(Diagnostics &Diags);
  void setRows(int64_t First, int64_t Count, int64_t WithLogits);
  bool fillCache();
  bool measureEntry(ScheduleEntry &Entry, size_t Index, Terminal &Term, Diagnostics &Diags);
  void evict();
  template <typename Callable> MeasuredTime sample(int64_t Times, Callable Body);

  int64_t Depth = 0, MostRows = 0;
  std::unique_ptr<WorkerPool> Workers;
  std::shared_ptr<CompileResult> Code;
  std::shared_ptr<const Program> Compiled;
  std::unique_ptr<WeightStore> Weights;
  MappedMemory Arena, Scratch, KV, Logits, Evicted;
  std::vector<int32_t> Tokens, Positions, Sequences, LogitsRows;
  lathe_step_args Args{};
};

} // namespace

bool KernelRig::compile(const GGUFFile &File, const ModelArguments &Arguments, Diagnostics &Diags) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return false;
  CompileRequest Request;
  Request.Input = File.path();
  Request.Target = Arguments.Compile.Target;
  Request.Precision = Arguments.Compile.Precision;
  Request.ExposePhases = true;
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
      !allocateMemory(Logits, LogitsBytes, Diags) || !allocateMemory(Evicted, EvictedBytes, Diags))
    return false;
  std::fill_n(Evicted.data(), EvictedBytes, uint8_t(1));
  Args.arena = Arena.data();
  Args.scratch = Scratch.data();
  Args.kv = KV.data();
  Args.logits = reinterpret_cast<float *>(Logits.data());
  Args.weights = Weights->table();
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
  if (!Rig->Weights || !Rig->allocate(Diags))
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

/// False when it was interrupted.
bool KernelRig::fillCache() {
  const std::atomic<bool> *Stop = interruptFlag();
  for (int64_t At = 0; At < Depth; At += MostRows) {
    if (Stop->load(std::memory_order_relaxed))
      return false;
    setRows(At, std::min(MostRows, Depth - At), 0);
    lathe_entry Entry = Compiled->entry(Compiled->entryFor(Args.rows));
    Workers->run([&](int64_t Worker, int64_t Count) { Entry(&Args, Worker, Count); });
  }
  return true;
}

void KernelRig::evict() {
  const PeakLoops *Loops = findPeakLoops();
  size_t Share = EvictedBytes / static_cast<size_t>(Workers->workers()) / 4096 * 4096;
  Workers->run([&](int64_t Worker, int64_t) {
    Loops->Read(Evicted.data() + static_cast<size_t>(Worker) * Share, Share);
  });
}

/// Runs `Body(worker, workers)` on all workers again and again; `Times` is how many
/// runs of the phase one such run is.
template <typename Callable> MeasuredTime KernelRig::sample(int64_t Times, Callable Body) {
  std::vector<double> Samples;
  double Total = 0;
  auto Take = [&] {
    evict();
    std::chrono::steady_clock::time_point Start;
    double Seconds = 0;
    Workers->run([&](int64_t Worker, int64_t Count) {
      Workers->barrier(Worker);
      if (Worker == 0)
        Start = std::chrono::steady_clock::now();
      Body(Worker, Count);
      Workers->barrier(Worker);
      if (Worker == 0)
        Seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - Start).count();
    });
    return Seconds;
  };
  Take();
  while (static_cast<int64_t>(Samples.size()) < LeastSamples ||
         (Total < SecondsOfSamples && static_cast<int64_t>(Samples.size()) < MostSamples)) {
    Samples.push_back(Take());
    Total += Samples.back();
  }
  std::sort(Samples.begin(), Samples.end());
  double Unit = 1e6 / static_cast<double>(Times);
  return {Samples[Samples.size() / 2] * Unit, Samples.front() * Unit,
          static_cast<int64_t>(Samples.size())};
}

bool KernelRig::measureEntry(ScheduleEntry &Entry, size_t Index, Terminal &Term,
                             Diagnostics &Diags) {
  ScheduleStep &Step = Entry.Steps[Index];
  setRows(Depth, Step.Rows, Step.LogitsRows);
  for (SchedulePhase &Phase : Entry.Phases) {
    if (interruptFlag()->load(std::memory_order_relaxed)) {
      Diags.error(807, {}, "interrupted ahead of phase '" + Phase.Name + "'");
      return false;
    }
    Term.progress(Entry.Name + ", rows " + std::to_string(Step.Rows) + ": " + Phase.Name);
    auto Function = reinterpret_cast<PhaseFunction>(Code->lookup(Phase.Symbol.c_str()));
    if (!Function) {
      Diags.error(605, "the compiled program", "lacks the phase '" + Phase.Symbol + "'");
      return false;
    }
    std::vector<int64_t> Layers = Phase.Layers.empty() ? std::vector<int64_t>{0} : Phase.Layers;
    Phase.Cases[Index].Measured =
        sample(static_cast<int64_t>(Layers.size()), [&](int64_t Worker, int64_t Count) {
          for (int64_t Layer : Layers)
            Function(&Args, Layer, Worker, Count);
        });
  }
  lathe_entry Whole = Compiled->entry(Compiled->entryFor(Step.Rows));
  Step.Measured = sample(1, [&](int64_t Worker, int64_t Count) { Whole(&Args, Worker, Count); });
  return true;
}

bool KernelRig::measure(Schedule &Plan, Terminal &Term, Diagnostics &Diags) {
  if (!fillCache()) {
    Diags.error(807, {}, "interrupted while the cache was filled");
    return false;
  }
  for (ScheduleEntry &Entry : Plan.Entries)
    for (size_t Index = 0; Index < Entry.Steps.size(); ++Index)
      if (!measureEntry(Entry, Index, Term, Diags))
        return false;
  return true;
}

/// Hands the measured times of `From` on to `To`, the same schedule on other numbers.
static void copyMeasured(const Schedule &From, Schedule &To) {
  for (size_t E = 0; E < To.Entries.size(); ++E) {
    const ScheduleEntry &Old = From.Entries[E];
    ScheduleEntry &New = To.Entries[E];
    for (size_t I = 0; I < New.Steps.size(); ++I) {
      New.Steps[I].Measured = Old.Steps[I].Measured;
      for (size_t P = 0; P < New.Phases.size(); ++P)
        New.Phases[P].Cases[I].Measured = Old.Phases[P].Cases[I].Measured;
    }
  }
}

std::optional<KernelTimes> cli::timeKernels(const GGUFFile &File, const ModelArguments &Arguments,
                                            int64_t Depth, Terminal &Term, Diagnostics &Diags) {
  std::unique_ptr<KernelRig> Rig = KernelRig::create(File, Arguments, Depth, Term, Diags);
  if (!Rig)
    return std::nullopt;
  Term.progress("measuring this machine ...");
  std::optional<MachineNumbers> Machine = measureMachine(Rig->workers(), Diags);
  if (!Machine)
    return std::nullopt;
  auto Ask = [&] { return askSchedule(File.path(), Arguments.Compile, *Machine, Depth, Diags); };
  std::optional<Schedule> Plan = Ask();
  if (!Plan || !Rig->measure(*Plan, Term, Diags))
    return std::nullopt;
  // The machine may have been slower at first than behind.
  if (std::optional<MachineNumbers> Again = measureMachine(Rig->workers(), Diags))
    Machine->keepBest(*Again);
  std::optional<Schedule> Final = Ask();
  if (!Final)
    return std::nullopt;
  copyMeasured(*Plan, *Final);
  return KernelTimes{std::move(*Machine), std::move(*Final)};
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static std::string shareText(double LimitUs, double Microseconds) {
  return formatFixed(100 * LimitUs / Microseconds, 0) + " %";
}

std::string cli::kernelTable(const KernelTimes &Times) {
  std::string Out;
  for (const ScheduleEntry &Entry : Times.Plan.Entries)
    for (size_t I = 0; I < Entry.Steps.size(); ++I) {
      const ScheduleStep &Step = Entry.Steps[I];
      TextTable Table(
          {"phase", "times", "us", "least us", "GB/s", "Gop/s", "limit us", "of limit", "bound"},
          {8});
      double Sum = 0;
      for (const SchedulePhase &Phase : Entry.Phases) {
        const ScheduleCase &Case = Phase.Cases[I];
        double Median = Case.Measured->Median;
        Sum += Median * static_cast<double>(Phase.Times);
        Table.add({Phase.Name, std::to_string(Phase.Times), formatFixed(Median, 2),
                   formatFixed(Case.Measured->Least, 2),
                   formatFixed(static_cast<double>(Case.bytes()) / Median / 1e3, 1),
                   formatFixed(static_cast<double>(Case.operations()) / Median / 1e3, 1),
                   formatFixed(Case.LimitUs, 2), shareText(Case.LimitUs, Median), Case.Bound});
      }
      Table.add({"all phases", "", formatFixed(Sum, 1), "", "", "", formatFixed(Step.LimitUs, 1),
                 shareText(Step.LimitUs, Sum), ""});
      double Whole = Step.Measured->Median;
      Table.add({"the step", "", formatFixed(Whole, 1), formatFixed(Step.Measured->Least, 1), "",
                 "", formatFixed(Step.LimitUs, 1), shareText(Step.LimitUs, Whole), ""});
      Out += (Out.empty() ? "" : "\n") + escapeControls(Entry.Name) + ", rows " +
             std::to_string(Step.Rows) + ", after " + std::to_string(Times.Plan.Depth) +
             " positions\n" + Table.text(2);
    }
  return Out;
}
