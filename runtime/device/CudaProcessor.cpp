//===- CudaProcessor.cpp - NVIDIA's GPUs as devices -------------------------===//

#include "runtime/device/CudaRunner.h"
#include "runtime/device/Device.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/Text.h"

#include <limits>

using namespace lathe;

namespace {

class CudaExecutor final : public Executor {
public:
  explicit CudaExecutor(std::shared_ptr<const CudaCode> Loaded) : Loaded(std::move(Loaded)) {}

  const Program &program() const override { return *Loaded->Code; }
  std::unique_ptr<StepRunner> createRunner(const StepMemory &Memory, Diagnostics &Diags) override {
    auto Runner = std::make_unique<CudaRunner>(Loaded);
    if (!Runner->allocate(Memory, Diags))
      return nullptr;
    return Runner;
  }

private:
  std::shared_ptr<const CudaCode> Loaded;
};

class CudaProcessor final : public Device {
public:
  explicit CudaProcessor(std::shared_ptr<const CudaContext> Context)
      : Device(Context->device().id(), "CUDA", Context->device().Name),
        Context(std::move(Context)) {}

  std::string target() const override { return Context->device().target(); }
  bool check(const Program &Code, Diagnostics &Diags) const override;
  bool checkMemory(const MemoryNeed &Need, const WorkerPool &Workers, bool FillsContext,
                   Diagnostics &Diags) const override;
  std::unique_ptr<Executor> load(std::shared_ptr<const Program> Code,
                                 std::unique_ptr<WeightStore> &Weights, WorkerPool &Workers,
                                 Diagnostics &Diags) const override;

private:
  std::shared_ptr<const CudaContext> Context;
};

} // namespace

bool CudaProcessor::check(const Program &Code, Diagnostics &Diags) const {
  const Manifest &Description = Code.manifest();
  if (!Description.isForDevice()) {
    Diags.error(854, Id,
                quoted(Code.where()) + " was compiled for " + Description.Target + ", expected " +
                    target(),
                "leave out --target, or use --device cpu");
    return false;
  }
  if (Description.Launch.SharedBytes <= Context->device().SharedBytes)
    return true;
  Diags.error(854, Id,
              "has " + formatBytes(static_cast<uint64_t>(Context->device().SharedBytes)) +
                  " of shared memory for a block, expected " +
                  formatBytes(static_cast<uint64_t>(Description.Launch.SharedBytes)),
              "use another device, or --device cpu");
  return false;
}

/// A GPU's memory is taken as a whole when a session is made.
bool CudaProcessor::checkMemory(const MemoryNeed &Need, const WorkerPool &, bool,
                                Diagnostics &Diags) const {
  uint64_t All = Need.Weights;
  for (uint64_t Part : {Need.KV, Need.Arena})
    All = checkedAdd(All, Part).value_or(std::numeric_limits<uint64_t>::max());
  return Context->checkFree(All,
                            "weights (" + formatBytes(Need.Weights) + "), the KV cache of " +
                                std::to_string(Need.Context) + " positions (" +
                                formatBytes(Need.KV) + ") and the arena",
                            Diags);
}

std::unique_ptr<Executor> CudaProcessor::load(std::shared_ptr<const Program> Code,
                                              std::unique_ptr<WeightStore> &Weights, WorkerPool &,
                                              Diagnostics &Diags) const {
  std::shared_ptr<const CudaCode> Loaded =
      CudaCode::create(Context, std::move(Code), *Weights, Diags);
  if (!Loaded)
    return nullptr;
  Weights.reset();
  return std::make_unique<CudaExecutor>(std::move(Loaded));
}

static const DeviceKindRegistration Registered({
    "cuda",
    /*Preference=*/1,
    /*IsNumbered=*/true,
    [](int Number, Diagnostics &Diags) -> std::shared_ptr<const Device> {
      std::shared_ptr<const CudaContext> Context = CudaContext::open(Number, Diags);
      if (!Context)
        return nullptr;
      return std::make_shared<CudaProcessor>(std::move(Context));
    },
});
