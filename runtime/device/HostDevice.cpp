//===- HostDevice.cpp - The processor of this machine ----------------------===//

#include "runtime/device/Device.h"
#include "runtime/session/HostExecutor.h"

using namespace lathe;

namespace {

/// Keeps what a HostExecutor is made of.
class LoadedHost final : public Executor {
public:
  LoadedHost(std::shared_ptr<const Program> Code, WeightView Weights, WorkerPool &Workers)
      : Code(std::move(Code)), Inner(*this->Code, Weights, Workers) {}

  const Program &program() const override { return *Code; }
  std::unique_ptr<StepRunner> createRunner(const StepMemory &Memory, Diagnostics &Diags) override {
    return Inner.createRunner(Memory, Diags);
  }

private:
  std::shared_ptr<const Program> Code;
  HostExecutor Inner;
};

class HostDevice final : public Device {
public:
  HostDevice() : Device("cpu", "CPU", "") {}

  std::string target() const override { return "host"; }
  bool check(const Program &Code, Diagnostics &Diags) const override {
    return Code.checkHost(Diags);
  }
  bool checkMemory(const MemoryNeed &Need, const WorkerPool &Workers, bool FillsContext,
                   Diagnostics &Diags) const override {
    return lathe::checkMemory(Need, static_cast<uint64_t>(Workers.workers()), FillsContext,
                              MemoryLimits::current(), Diags);
  }
  std::unique_ptr<Executor> load(std::shared_ptr<const Program> Code,
                                 std::unique_ptr<WeightStore> &Weights, WorkerPool &Workers,
                                 Diagnostics &) const override {
    Weights->populate(Workers);
    return std::make_unique<LoadedHost>(std::move(Code), Weights->view(), Workers);
  }
};

} // namespace

static const DeviceKindRegistration Registered({
    "cpu",
    /*Preference=*/0,
    /*IsNumbered=*/false,
    [](int, Diagnostics &) -> std::shared_ptr<const Device> {
      return std::make_shared<HostDevice>();
    },
});
