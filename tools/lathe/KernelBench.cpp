//===- KernelBench.cpp - Times every kernel of a model alone ----------------===//
//
// Google Benchmark repeats the measurements; one of them is all layers of a phase,
// or a whole step.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/KernelBench.h"
#include "tools/lathe/KernelRig.h"
#include "tools/lathe/Signals.h"
#include "tools/lathe/TextTable.h"

#include "runtime/support/Text.h"

#include <algorithm>

#include <benchmark/benchmark.h>

using namespace lathe;
using namespace lathe::cli;

/// Repetitions: as many as whole steps take this long at best, within these bounds.
static constexpr double EnoughUs = 50e3;
static constexpr int LeastSamples = 5, MostSamples = 11;

static bool isInterrupted() { return interruptFlag()->load(std::memory_order_relaxed); }

namespace {
/// Keeps the time of every repetition, and prints nothing.
class Collector final : public benchmark::BenchmarkReporter {
public:
  bool ReportContext(const Context &) override { return true; }
  void ReportRuns(const std::vector<Run> &Runs) override {
    for (const Run &Each : Runs)
      if (Each.run_type == Run::RT_Iteration)
        Microseconds.push_back(Each.GetAdjustedRealTime());
  }
  std::vector<double> Microseconds;
};
} // namespace

/// Repeats `Time`, which gives the seconds of `Times` runs in a step of at least `StepUs`.
template <typename Callable>
static MeasuredTime sample(const std::string &Name, double StepUs, int64_t Times, Callable Time) {
  // Once for what is only done once: pages, branches.
  Time();
  auto Body = [&](benchmark::State &State) {
    for ([[maybe_unused]] auto Each : State)
      State.SetIterationTime(isInterrupted() ? 1 : Time());
  };
  int Samples = static_cast<int>(
      std::clamp<double>(EnoughUs / std::max(1.0, StepUs), LeastSamples, MostSamples));
  benchmark::RegisterBenchmark(Name.c_str(), Body)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->Iterations(1)
      ->Repetitions(Samples);
  Collector Found;
  benchmark::RunSpecifiedBenchmarks(&Found, ".");
  benchmark::ClearRegisteredBenchmarks();
  std::vector<double> &All = Found.Microseconds;
  std::sort(All.begin(), All.end());
  auto Unit = static_cast<double>(Times);
  return {All[All.size() / 2] / Unit, All.front() / Unit, static_cast<int64_t>(All.size())};
}

/// Fills in `Measured` of the phases of `Entry` in its step `Index`.
static bool measureEntry(KernelRig &Rig, ScheduleEntry &Entry, size_t Index, Terminal &Term,
                         Diagnostics &Diags) {
  ScheduleStep &Step = Entry.Steps[Index];
  std::vector<Kernel> Kernels = Rig.findKernels(Entry, Diags);
  if (Kernels.empty())
    return false;
  Rig.prepare(Step);
  std::string Name = Entry.Name + ", rows " + std::to_string(Step.Rows);
  for (size_t I = 0; I < Kernels.size() && !isInterrupted(); ++I) {
    SchedulePhase &Phase = Entry.Phases[I];
    Term.progress(Name + ": " + Phase.Name);
    auto Times = static_cast<int64_t>(Kernels[I].Layers.size());
    ScheduleCase &Case = Phase.Cases[Index];
    Case.Measured =
        sample(Phase.Symbol, Step.LimitUs, Times, [&] { return Rig.timeKernel(Kernels, I); });
  }
  if (!isInterrupted())
    Step.Measured = sample(Entry.Name, Step.LimitUs, 1, [&] { return Rig.timeStep(); });
  if (isInterrupted())
    Diags.error(807, {}, "interrupted while " + Name + " was timed");
  return !isInterrupted();
}

static bool measureAll(KernelRig &Rig, Schedule &Plan, Terminal &Term, Diagnostics &Diags) {
  for (ScheduleEntry &Entry : Plan.Entries)
    for (size_t Index = 0; Index < Entry.Steps.size(); ++Index)
      if (!measureEntry(Rig, Entry, Index, Term, Diags))
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
  if (!Plan || !measureAll(*Rig, *Plan, Term, Diags))
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
