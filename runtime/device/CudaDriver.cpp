//===- CudaDriver.cpp - NVIDIA's driver, opened when it is wanted ----------===//

#include "runtime/device/CudaDriver.h"

#include <cstdlib>
#include <utility>

#include <dlfcn.h>

using namespace lathe;

namespace lathe {

/// CUresult and CUdevice are int; a size is size_t.
struct CudaFunctions {
  int (*Init)(unsigned Flags) = nullptr;
  int (*GetDriverVersion)(int *Version) = nullptr;
  int (*GetErrorName)(int Result, const char **Name) = nullptr;
  int (*GetDeviceCount)(int *Count) = nullptr;
  int (*GetDevice)(int *Device, int Number) = nullptr;
  int (*GetDeviceName)(char *Name, int Length, int Device) = nullptr;
  int (*GetDeviceAttribute)(int *Value, int Attribute, int Device) = nullptr;
  int (*GetDeviceMemory)(size_t *Bytes, int Device) = nullptr;
};

} // namespace lathe

/// CUDA 11.1, whose drivers read the PTX of the oldest target.
static constexpr int OldestVersion = 11010;

static constexpr int Success = 0, ErrorNoDevice = 100;

/// CUdevice_attribute.
static constexpr int AttributeProcessors = 16, AttributeMajor = 75, AttributeMinor = 76,
                     AttributeCooperative = 95, AttributeSharedBytes = 97;

std::string CudaDevice::target() const {
  // What is compiled for sm_80 runs on all that came later; sm_90a on 9.0 alone.
  if (!IsCooperative || Major < 8)
    return "";
  if (Major == 9 && Minor == 0)
    return "sm_90a";
  return Major > 8 || Minor >= 9 ? "sm_89" : "sm_80";
}

CudaDriver::CudaDriver() : Functions(std::make_unique<CudaFunctions>()) {}

/// The driver's threads may still run, so the library stays open.
CudaDriver::~CudaDriver() = default;

static std::string libraryPath() {
  const char *Named = std::getenv("LATHE_CUDA");
  return Named && *Named ? Named : "libcuda.so.1";
}

bool CudaDriver::isInstalled() {
  void *Handle = dlopen(libraryPath().c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (Handle)
    dlclose(Handle);
  return Handle != nullptr;
}

bool CudaDriver::load(Diagnostics &Diags) {
  Path = libraryPath();
  Library = dlopen(Path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!Library) {
    const char *Reason = dlerror();
    Diags.error(850, Path, std::string("cannot be opened: ") + (Reason ? Reason : "no reason"),
                "install NVIDIA's driver; CPUs need none");
    return false;
  }
  std::string Missing;
  auto Find = [&]<typename T>(T *&Function, const char *Name) {
    Function = reinterpret_cast<T *>(dlsym(Library, Name));
    if (!Function)
      Missing += (Missing.empty() ? "" : ", ") + std::string(Name);
  };
  Find(Functions->Init, "cuInit");
  Find(Functions->GetDriverVersion, "cuDriverGetVersion");
  Find(Functions->GetErrorName, "cuGetErrorName");
  Find(Functions->GetDeviceCount, "cuDeviceGetCount");
  Find(Functions->GetDevice, "cuDeviceGet");
  Find(Functions->GetDeviceName, "cuDeviceGetName");
  Find(Functions->GetDeviceAttribute, "cuDeviceGetAttribute");
  // A second version, of sizes beyond 4 GiB.
  Find(Functions->GetDeviceMemory, "cuDeviceTotalMem_v2");
  if (Missing.empty())
    return true;
  Diags.error(850, Path, "has no " + Missing + ", expected NVIDIA's driver");
  return false;
}

bool CudaDriver::check(int Result, const char *Function, Diagnostics &Diags) const {
  if (Result == Success)
    return true;
  const char *Name = nullptr;
  if (Functions->GetErrorName(Result, &Name) != Success || !Name)
    Name = "an error without a name";
  Diags.error(852, Path,
              std::string(Function) + " gave " + std::to_string(Result) + " (" + Name + ")",
              "'nvidia-smi' tells whether the driver works");
  return false;
}

std::unique_ptr<CudaDriver> CudaDriver::open(Diagnostics &Diags) {
  std::unique_ptr<CudaDriver> Driver(new CudaDriver());
  if (!Driver->load(Diags))
    return nullptr;
  const CudaFunctions &Functions = *Driver->Functions;
  if (!Driver->check(Functions.GetDriverVersion(&Driver->Version), "cuDriverGetVersion", Diags))
    return nullptr;
  if (Driver->Version < OldestVersion) {
    Diags.error(851, Driver->Path,
                "found version " + Driver->versionText() + " of CUDA, expected at least 11.1",
                "install a newer driver");
    return nullptr;
  }
  // Without a GPU the driver does not start; that there is none is no fault of its.
  int Result = Functions.Init(0);
  if (Result != ErrorNoDevice && !Driver->check(Result, "cuInit", Diags))
    return nullptr;
  return Driver;
}

std::string CudaDriver::versionText() const {
  return std::to_string(Version / 1000) + "." + std::to_string(Version % 1000 / 10);
}

std::vector<CudaDevice> CudaDriver::devices(Diagnostics &Diags) const {
  std::vector<CudaDevice> Found;
  int Count = 0, Result = Functions->GetDeviceCount(&Count);
  // A driver that did not start for want of a GPU has none.
  constexpr int ErrorNotInitialized = 3;
  if (Result == ErrorNoDevice || Result == ErrorNotInitialized ||
      !check(Result, "cuDeviceGetCount", Diags))
    return Found;
  for (int Number = 0; Number < Count; ++Number) {
    CudaDevice Device;
    Device.Number = Number;
    int Handle = 0, IsCooperative = 0;
    char Name[256] = {};
    size_t Bytes = 0;
    auto Ask = [&](int &Value, int Attribute) {
      return check(Functions->GetDeviceAttribute(&Value, Attribute, Handle), "cuDeviceGetAttribute",
                   Diags);
    };
    if (!check(Functions->GetDevice(&Handle, Number), "cuDeviceGet", Diags) ||
        !check(Functions->GetDeviceName(Name, sizeof(Name) - 1, Handle), "cuDeviceGetName",
               Diags) ||
        !check(Functions->GetDeviceMemory(&Bytes, Handle), "cuDeviceTotalMem", Diags) ||
        !Ask(Device.Processors, AttributeProcessors) || !Ask(Device.Major, AttributeMajor) ||
        !Ask(Device.Minor, AttributeMinor) || !Ask(IsCooperative, AttributeCooperative) ||
        !Ask(Device.SharedBytes, AttributeSharedBytes))
      continue;
    Device.Name = Name;
    Device.MemoryBytes = Bytes;
    Device.IsCooperative = IsCooperative != 0;
    Found.push_back(std::move(Device));
  }
  return Found;
}
