//===- HostExecutor.h - Steps on the workers of this process ----*- C++ -*-===//

#ifndef LATHE_RUNTIME_SESSION_HOSTEXECUTOR_H
#define LATHE_RUNTIME_SESSION_HOSTEXECUTOR_H

#include "runtime/session/StepRunner.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

namespace lathe {

/// What it is made of must outlive it and its runners.  Runners that share workers take
/// turns step by step.
class HostExecutor final : public Executor {
public:
  HostExecutor(const Program &Code, WeightView Weights, WorkerPool &Workers)
      : Code(Code), Weights(Weights), Workers(Workers) {}

  const Program &program() const override { return Code; }
  std::unique_ptr<StepRunner> createRunner(const StepMemory &Memory, Diagnostics &Diags) override;

private:
  const Program &Code;
  WeightView Weights;
  WorkerPool &Workers;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_HOSTEXECUTOR_H
