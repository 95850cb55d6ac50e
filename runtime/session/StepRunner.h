//===- StepRunner.h - Where the steps of a session run ----------*- C++ -*-===//
//
// What lies between sessions and the processors that compiled code runs on: the
// workers of this process (HostExecutor.h) or a device with memory of its own
// (runtime/device).  A session knows tokens, positions and sequences; a runner knows
// where the memory is that steps write, and how they are started.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_STEPRUNNER_H
#define LATHE_RUNTIME_SESSION_STEPRUNNER_H

#include "lathe/abi.h"
#include "runtime/session/Program.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedMemory.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lathe {

/// Bytes of address space, on the device that has them; the KV cache of a CPU is
/// resident only as far as it is used.
struct MemoryReport {
  size_t Weights = 0, KV = 0, Arena = 0, Scratch = 0;
  size_t total() const { return Weights + KV + Arena + Scratch; }
};

/// What a session needs room for.
struct StepMemory {
  int64_t Capacity = 0;     ///< Positions of a sequence, a multiple of KVPositionGranule.
  int64_t Sequences = 1;    ///< KV caches.
  uint64_t SlabBytes = 0;   ///< Of each, a multiple of the page size.
  MemorySource Source = {}; ///< Where memory of this process comes from.
};

/// Steps of one row that follow each other without the caller: each takes its token from
/// where the one before has put the greatest logit.
class StepsAhead {
public:
  virtual ~StepsAhead();

  /// Most that may be on their way at once.
  virtual int64_t most() const = 0;
  /// Starts a step with one wanted logit, and does not wait for it; `Args` is as of
  /// StepRunner::run, with `token` null for that of the step started before.  With a token,
  /// and as of StepRunner::run, steps on their way end first, and what they found is
  /// forgotten.  Errors, of this and of `finish`, are those of StepRunner::run.
  virtual bool start(size_t Entry, const lathe_step_args &Args, Diagnostics &Diags) = 0;
  /// What the first step that is on its way has found, once it has.
  virtual bool finish(lathe_logit &Greatest, Diagnostics &Diags) = 0;
};

/// Runs the steps of one session, and owns all memory that they write.  Not thread-safe.
class StepRunner {
public:
  virtual ~StepRunner();

  /// Runs entry `Entry` of the program to its end.  The caller has set what the step is
  /// about, in its own memory, which is the runner's until this returns: rows and
  /// what belongs to each, the logits that are wanted and room for them, layer_runs,
  /// head_report, exit_at and exit_layer.  The runner sets the other members.  False
  /// with E0806, E0855 or E0856.
  virtual bool run(size_t Entry, lathe_step_args &Args, Diagnostics &Diags) = 0;

  /// Null where `run` is all there is.
  virtual StepsAhead *ahead() { return nullptr; }

  /// No position of `Sequence` counts any more; memory of long ones goes back.
  virtual void forget(int32_t Sequence) = 0;

  /// How many write a head_report.
  virtual int64_t workers() const = 0;
  virtual MemoryReport memory() const = 0;
};

/// A program and its weights, ready to run.  Thread-safe; runners need no executor any more
/// once they are made, but what it is made of.
class Executor {
public:
  virtual ~Executor();

  virtual const Program &program() const = 0;
  /// Null on error: E0810 or E0855 not enough memory.
  virtual std::unique_ptr<StepRunner> createRunner(const StepMemory &Memory,
                                                   Diagnostics &Diags) = 0;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_STEPRUNNER_H
