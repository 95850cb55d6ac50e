//===- Device.h - What models run on ----------------------------*- C++ -*-===//
//
// The processor of this machine, or a GPU.  A kind of device is added by one file that
// registers it; everybody else asks by name: "cpu", "cuda:0", "auto".
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_DEVICE_DEVICE_H
#define LATHE_RUNTIME_DEVICE_DEVICE_H

#include "runtime/session/MemoryNeed.h"
#include "runtime/session/StepRunner.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

#include <memory>
#include <string>
#include <string_view>

namespace lathe {

/// Thread-safe.
class Device {
public:
  Device(std::string Id, std::string Backend, std::string GPU)
      : Id(std::move(Id)), Backend(std::move(Backend)), GPU(std::move(GPU)) {}
  virtual ~Device();

  const std::string Id;      ///< "cpu", "cuda:0".
  const std::string Backend; ///< "CPU", "CUDA": as llama-bench calls them.
  const std::string GPU;     ///< Its name, or "".

  /// What to compile for it: lathe_compile_request::target.
  virtual std::string target() const = 0;
  /// False with E0604 or E0854 when the program is not for it.
  virtual bool check(const Program &Code, Diagnostics &Diags) const = 0;
  /// False with E0810 or E0855 when it has no room; `FillsContext` says that every
  /// position will be used.
  virtual bool checkMemory(const MemoryNeed &Need, const WorkerPool &Workers, bool FillsContext,
                           Diagnostics &Diags) const = 0;
  /// Makes `Code`, which `check` accepted, ready to run with `Weights`.  The executor
  /// needs `Code` and `Workers` as long as it lives; a device that has a copy of the
  /// weights takes them away.  Null on error.
  virtual std::unique_ptr<Executor> load(std::shared_ptr<const Program> Code,
                                         std::unique_ptr<WeightStore> &Weights, WorkerPool &Workers,
                                         Diagnostics &Diags) const = 0;
};

struct DeviceKind {
  std::string_view Name; ///< "cuda".
  int Preference;        ///< "auto" takes the usable device of the greatest.
  bool IsNumbered;       ///< Whether a number follows the name.
  /// Null with E0850 to E0854 when device `Number` cannot be used.
  std::shared_ptr<const Device> (*Open)(int Number, Diagnostics &Diags);
};

struct DeviceKindRegistration {
  explicit DeviceKindRegistration(const DeviceKind &Kind);
};

/// The device of that name; "auto" is the best that there is, which never fails.  Null
/// with E0853 for a name that none has, and on the errors of DeviceKind::Open.
std::shared_ptr<const Device> openDevice(std::string_view Name, Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_DEVICE_DEVICE_H
