//===- Devices.cpp - lathe devices ------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/TextTable.h"

#include "runtime/device/CudaDriver.h"
#include "runtime/session/HostCPU.h"
#include "runtime/session/SystemMemory.h"
#include "runtime/support/Text.h"

#include <cstdlib>
#include <limits>

using namespace lathe;
using namespace lathe::cli;

namespace {
class DevicesCommand final : public Command {
public:
  void declare(Options &) override {}
  void run(Terminal &Term, Diagnostics &Diags) override;
};
} // namespace

static std::string memoryText(uint64_t Bytes) {
  return Bytes == std::numeric_limits<uint64_t>::max() ? "unknown" : formatBytes(Bytes);
}

void DevicesCommand::run(Terminal &Term, Diagnostics &Diags) {
  constexpr size_t Models = 2, Target = 3, Name = 4;
  TextTable Table({"device", "memory", "models", "target", "name"}, {Models, Target, Name});
  const std::string &Host = hostDescription();
  Table.add(
      {"cpu", memoryText(availableMemory().Bytes), "run", "host", Host.substr(0, Host.find(':'))});
  // That there is no driver is a fault only where one was asked for.
  if (CudaDriver::isInstalled() || std::getenv("LATHE_CUDA"))
    if (std::unique_ptr<CudaDriver> Driver = CudaDriver::open(Diags))
      for (const CudaDevice &Each : Driver->devices(Diags))
        Table.add({Each.id(), memoryText(Each.MemoryBytes),
                   Each.target().empty() ? "do not run" : "run",
                   Each.target().empty() ? "none" : Each.target(),
                   Each.Name + ", " + std::to_string(Each.Processors) + " processors, driver " +
                       Driver->versionText()});
  if (!Diags.hasErrors())
    Term.out(Table.text());
}

static CommandRegistration Registered({
    "devices",
    "list the processors of this machine, and the target of each",
    "  lathe devices            the names for --device and --target\n"
    "  Kernels were run by an emulator alone so far, and on no GPU.\n",
    createCommand<DevicesCommand>,
});
