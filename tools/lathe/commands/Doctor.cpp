//===- Doctor.cpp - lathe doctor --------------------------------------------===//

#include "tools/lathe/CacheSections.h"
#include "tools/lathe/Command.h"

#include "runtime/device/CudaDriver.h"
#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/HostCPU.h"
#include "runtime/session/SystemMemory.h"
#include "runtime/support/Text.h"
#include "runtime/workers/WorkerPool.h"

#include <cstdlib>
#include <limits>
#include <numeric>

#include <sys/utsname.h>

using namespace lathe;
using namespace lathe::cli;

namespace {
class DoctorCommand final : public Command {
public:
  void declare(Options &) override {}
  void run(Terminal &Term, Diagnostics &Diags) override;
};

/// What is looked at, in the order in which it is told.
struct Examination {
  std::string_view Name;
  /// One line of findings; faults go to `Diags`.
  std::string (*Look)(Diagnostics &Diags);
};
} // namespace

static std::string lookAtProgram(Diagnostics &) { return LATHE_VERSION; }

static std::string lookAtSystem(Diagnostics &) {
  utsname Name;
  if (uname(&Name) != 0)
    return "unknown";
  return std::string(Name.sysname) + " " + Name.release + " " + Name.machine;
}

static std::string lookAtProcessor(Diagnostics &Diags) {
  const std::string Needed[] = {"avx2", "fma", "f16c"};
  std::vector<std::string> Missing = missingFeatures(Needed);
  if (!Missing.empty()) {
    std::string List = Missing.front();
    for (size_t I = 1; I < Missing.size(); ++I)
      List += ", " + Missing[I];
    Diags.error(604, "this processor", "lacks " + List + ", which the least target needs");
  }
  return hostDescription();
}

/// No machine needs one, so that there is none is no fault.
static std::string lookAtGPUs(Diagnostics &Diags) {
  if (!CudaDriver::isInstalled() && !std::getenv("LATHE_CUDA"))
    return "none, no driver";
  std::unique_ptr<CudaDriver> Driver = CudaDriver::open(Diags);
  if (!Driver)
    return "none";
  std::string Names;
  std::vector<CudaDevice> Found = Driver->devices(Diags);
  for (const CudaDevice &Each : Found)
    Names += (Names.empty() ? ": " : ", ") + escapeControls(Each.Name) + " (" +
             (Each.target().empty() ? "no kernels" : Each.target()) + ")";
  return std::to_string(Found.size()) + Names + "; driver " + Driver->versionText() +
         "; models run there with --device";
}

static std::string lookAtWorkers(Diagnostics &Diags) {
  std::unique_ptr<WorkerPool> Pool = WorkerPool::create(0, Diags);
  return Pool ? std::to_string(Pool->workers()) + ", one for each core that may be used" : "none";
}

static std::string lookAtMemory(Diagnostics &) {
  AvailableMemory Found = availableMemory();
  if (Found.Bytes == std::numeric_limits<uint64_t>::max())
    return "unknown";
  return formatBytes(Found.Bytes) + " (" + Found.Source + ")";
}

static std::string lookAtCompiler(Diagnostics &Diags) {
  std::string Path = CompilerLibrary::locate();
  const CompilerLibrary *Opened = CompilerLibrary::open(Diags);
  return Opened ? std::string(Opened->version()) + ", " + escapeControls(Path) : "none";
}

static std::string lookAtCache(Diagnostics &Diags) {
  std::string Text;
  for (const std::unique_ptr<CacheSection> &Section : openCacheSections(Diags)) {
    std::vector<CacheRow> Rows = Section->rows();
    int64_t Bytes =
        std::accumulate(Rows.begin(), Rows.end(), int64_t(0),
                        [](int64_t Sum, const CacheRow &Each) { return Sum + Each.Bytes; });
    Text += (Text.empty() ? "" : "; ") + escapeControls(Section->folder()) + ": " +
            Section->countText(Rows.size()) + ", " + formatBytes(static_cast<uint64_t>(Bytes));
  }
  return Text.empty() ? "none" : Text;
}

static constexpr Examination Examinations[] = {
    {"lathe", lookAtProgram},       {"compiler", lookAtCompiler}, {"system", lookAtSystem},
    {"processor", lookAtProcessor}, {"gpus", lookAtGPUs},         {"workers", lookAtWorkers},
    {"memory", lookAtMemory},       {"cache", lookAtCache},
};

void DoctorCommand::run(Terminal &Term, Diagnostics &Diags) {
  constexpr size_t Column = 11;
  std::string Text;
  for (const Examination &Each : Examinations) {
    std::string Name(Each.Name);
    Name.resize(Column, ' ');
    Text += Name + wrapText(Each.Look(Diags), Column) + "\n";
  }
  Term.out(Text + "found      " + (Diags.all().empty() ? "nothing wrong" : "what stands below") +
           "\n");
}

static CommandRegistration Registered({
    "doctor",
    "look at what lathe needs of this machine, for a bug report",
    "  lathe doctor             exit code 0 when nothing is wrong\n",
    createCommand<DoctorCommand>,
});
