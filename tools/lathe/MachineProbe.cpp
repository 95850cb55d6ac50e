//===- MachineProbe.cpp - Measures what this machine can do -----------------===//

#include "tools/lathe/Machine.h"
#include "tools/lathe/PeakLoops.h"

#include "runtime/session/HostCPU.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

/// A limit is the best that was seen, not the mean: others may use the machine too.
static constexpr int Repetitions = 7;
static constexpr double SecondsEach = 0.012;
static constexpr size_t Granule = 4096;

/// The least seconds of several calls of `Body(worker, workers)` on all workers.
template <typename Callable> static double fastest(WorkerPool &Workers, Callable Body) {
  double Best = 0;
  for (int I = 0; I < Repetitions; ++I) {
    auto Start = std::chrono::steady_clock::now();
    Workers.run(Body);
    double Seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - Start).count();
    Best = I == 0 ? Seconds : std::min(Best, Seconds);
  }
  return Best;
}

static double peakOf(WorkerPool &Workers, const PeakLoops::Compute &Loop) {
  // As many rounds as take the time that was meant, judged by a short run.
  constexpr int64_t Few = 20000;
  auto RunRounds = [&](int64_t Rounds) {
    return fastest(Workers, [&](int64_t, int64_t) { Loop.Run(Rounds); });
  };
  int64_t Rounds = Few * static_cast<int64_t>(1 + SecondsEach / RunRounds(Few));
  return static_cast<double>(Workers.workers() * Rounds) * Loop.OperationsPerRound /
         RunRounds(Rounds);
}

/// Every worker reads its own share of `Bytes`, as the workers of a phase read weights.
static double readSpeedOf(WorkerPool &Workers, const PeakLoops &Loops, const uint8_t *Memory,
                          size_t Bytes) {
  size_t Share = Bytes / static_cast<size_t>(Workers.workers()) / Granule * Granule;
  auto ReadTimes = [&](int64_t Times) {
    return fastest(Workers, [&](int64_t Worker, int64_t) {
      for (int64_t I = 0; I < Times; ++I)
        Loops.Read(Memory + static_cast<size_t>(Worker) * Share, Share);
    });
  };
  int64_t Times = 1 + static_cast<int64_t>(SecondsEach / std::max(ReadTimes(1), 1e-6));
  return static_cast<double>(Share) * static_cast<double>(Workers.workers() * Times) /
         ReadTimes(Times);
}

/// What one core takes for its instructions, and what its nearest cache holds.
static void measureCore(WorkerPool &Workers, const PeakLoops &Loops, MachineNumbers &Numbers) {
  auto InstructionOf = [&](const PeakLoops::Compute &Loop, double OperationsPerSecond) {
    return static_cast<double>(Numbers.Workers) * Loop.OperationsPerRound /
           (OperationsPerSecond * PeakLoops::Sums);
  };
  Numbers.MultiplyAddSeconds = InstructionOf(Loops.F32, Numbers.F32);
  Numbers.MultiplyAddLatencySeconds = InstructionOf(Loops.Chain, peakOf(Workers, Loops.Chain));
  Numbers.Int8StepSeconds = InstructionOf(Loops.Int8, Numbers.Int8);
  Numbers.LoadSeconds = InstructionOf(Loops.Load, peakOf(Workers, Loops.Load));
  constexpr int64_t Usual = 32 << 10;
  int64_t Told = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  Numbers.NearestCacheBytes = Told > 0 ? Told : Usual;
}

static double barrierOf(WorkerPool &Workers) {
  constexpr int64_t Count = 4000;
  return fastest(Workers,
                 [&](int64_t Worker, int64_t) {
                   for (int64_t I = 0; I < Count; ++I)
                     Workers.barrier(Worker);
                 }) /
         Count;
}

std::optional<MachineNumbers> cli::measureMachine(WorkerPool &Workers, Diagnostics &Diags) {
  const PeakLoops *Loops = findPeakLoops();
  if (!Loops) {
    Diags.error(604, "this CPU", "has neither AVX2 nor more, expected at least avx2 and fma");
    return std::nullopt;
  }
  constexpr size_t Most = size_t(256) << 20;
  std::optional<MappedMemory> Memory = MappedMemory::allocate(Most);
  if (!Memory) {
    Diags.error(810, "measuring this machine", "no memory for " + formatBytes(Most));
    return std::nullopt;
  }
  Memory->adviseHugePages();
  // Pages that were never written are all the same page of zeros.
  Workers.run([&](int64_t Worker, int64_t Count) {
    size_t Share = Most / static_cast<size_t>(Count);
    std::memset(Memory->data() + static_cast<size_t>(Worker) * Share, 1, Share);
  });
  MachineNumbers Numbers;
  Numbers.CPU = hostDescription();
  Numbers.Workers = Workers.workers();
  size_t Least = std::max<size_t>(size_t(256) << 10, Granule * Numbers.Workers);
  for (size_t Bytes = Least; Bytes <= Most; Bytes *= 4)
    Numbers.Read.push_back(
        {static_cast<int64_t>(Bytes), readSpeedOf(Workers, *Loops, Memory->data(), Bytes)});
  Numbers.Int8 = peakOf(Workers, Loops->Int8);
  Numbers.BF16 = peakOf(Workers, Loops->BF16);
  Numbers.F32 = peakOf(Workers, Loops->F32);
  measureCore(Workers, *Loops, Numbers);
  Numbers.BarrierSeconds = barrierOf(Workers);
  return Numbers;
}
