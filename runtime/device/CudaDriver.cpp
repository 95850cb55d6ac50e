//===- CudaDriver.cpp - NVIDIA's driver, opened when it is wanted ----------===//

#include "runtime/device/CudaDriver.h"

#include <cstdlib>
#include <utility>

#include <dlfcn.h>

using namespace lathe;

/// CUDA 11.1, whose drivers read the PTX of the oldest target.
static constexpr int OldestVersion = 11010;
/// CUDA 11.4, the first with all that is used of graphs.
static constexpr int GraphVersion = 11040;

std::string CudaDevice::target() const {
  // What is compiled for sm_80 runs on all that came later; sm_90a on 9.0 alone.
  if (!IsCooperative || Major < 8)
    return "";
  if (!OwnTarget.empty())
    return OwnTarget;
  if (Major == 9 && Minor == 0)
    return "sm_90a";
  return Major > 8 || Minor >= 9 ? "sm_89" : "sm_80";
}

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

/// Looks functions up, and notes those that are not there.
class CudaDriver::Finder {
public:
  Finder(const CudaDriver &Driver) : Driver(Driver) {}

  template <typename T> void operator()(T *&Function, const char *Name) {
    Function = reinterpret_cast<T *>(dlsym(Driver.Library, Name));
    if (!Function)
      Missing += (Missing.empty() ? "" : ", ") + std::string(Name);
  }
  bool foundAll(Diagnostics &Diags) const {
    if (!Missing.empty())
      Diags.error(850, Driver.Path, "has no " + Missing + ", expected NVIDIA's driver");
    return Missing.empty();
  }

private:
  const CudaDriver &Driver;
  std::string Missing;
};

bool CudaDriver::load(Diagnostics &Diags) {
  Path = libraryPath();
  Library = dlopen(Path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!Library) {
    const char *Reason = dlerror();
    Diags.error(850, Path, std::string("cannot be opened: ") + (Reason ? Reason : "no reason"),
                "install NVIDIA's driver; CPUs need none");
    return false;
  }
  Finder Find(*this);
  Find(Functions.Init, "cuInit");
  Find(Functions.GetDriverVersion, "cuDriverGetVersion");
  Find(Functions.GetErrorName, "cuGetErrorName");
  Find(Functions.GetDeviceCount, "cuDeviceGetCount");
  Find(Functions.GetDevice, "cuDeviceGet");
  Find(Functions.GetDeviceName, "cuDeviceGetName");
  Find(Functions.GetDeviceAttribute, "cuDeviceGetAttribute");
  // A second version, of sizes beyond 4 GiB.
  Find(Functions.GetDeviceMemory, "cuDeviceTotalMem_v2");
  Functions.GetTarget = reinterpret_cast<const char *(*)()>(dlsym(Library, "lathe_cuda_target"));
  return Find.foundAll(Diags);
}

/// Names that end in _v2 are those that cuda.h gives the functions since CUDA 3.2, and
/// the ones that this documentation means.
std::optional<CudaRunFunctions> CudaDriver::runFunctions(Diagnostics &Diags) const {
  CudaRunFunctions Run;
  Finder Find(*this);
  Find(Run.RetainContext, "cuDevicePrimaryCtxRetain");
  Find(Run.ReleaseContext, "cuDevicePrimaryCtxRelease_v2");
  Find(Run.PushContext, "cuCtxPushCurrent_v2");
  Find(Run.PopContext, "cuCtxPopCurrent_v2");
  Find(Run.LoadModule, "cuModuleLoadDataEx");
  Find(Run.UnloadModule, "cuModuleUnload");
  Find(Run.GetFunction, "cuModuleGetFunction");
  Find(Run.SetFunctionAttribute, "cuFuncSetAttribute");
  Find(Run.GetOccupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  Find(Run.GetMemoryInfo, "cuMemGetInfo_v2");
  Find(Run.Allocate, "cuMemAlloc_v2");
  Find(Run.Free, "cuMemFree_v2");
  Find(Run.AllocateHost, "cuMemAllocHost_v2");
  Find(Run.FreeHost, "cuMemFreeHost");
  Find(Run.CopyIn, "cuMemcpyHtoDAsync_v2");
  Find(Run.CopyOut, "cuMemcpyDtoHAsync_v2");
  Find(Run.Fill, "cuMemsetD8Async");
  Find(Run.CreateStream, "cuStreamCreate");
  Find(Run.DestroyStream, "cuStreamDestroy_v2");
  Find(Run.Synchronize, "cuStreamSynchronize");
  Find(Run.CreateEvent, "cuEventCreate");
  Find(Run.DestroyEvent, "cuEventDestroy_v2");
  Find(Run.RecordEvent, "cuEventRecord");
  Find(Run.WaitForEvent, "cuEventSynchronize");
  Find(Run.LaunchCooperative, "cuLaunchCooperativeKernel");
  if (Version >= GraphVersion) {
    Find(Run.BeginCapture, "cuStreamBeginCapture_v2");
    Find(Run.EndCapture, "cuStreamEndCapture");
    Find(Run.InstantiateGraph, "cuGraphInstantiateWithFlags");
    Find(Run.LaunchGraph, "cuGraphLaunch");
    Find(Run.DestroyGraph, "cuGraphDestroy");
    Find(Run.DestroyExecutable, "cuGraphExecDestroy");
  }
  if (!Find.foundAll(Diags))
    return std::nullopt;
  return Run;
}

std::string CudaDriver::resultText(int Result) const {
  const char *Name = nullptr;
  if (Functions.GetErrorName(Result, &Name) != cuda::Success || !Name)
    Name = "an error without a name";
  return std::to_string(Result) + " (" + Name + ")";
}

bool CudaDriver::check(int Result, const char *Function, Diagnostics &Diags) const {
  if (Result == cuda::Success)
    return true;
  Diags.error(852, Path, std::string(Function) + " gave " + resultText(Result),
              "'nvidia-smi' tells whether the driver works");
  return false;
}

std::unique_ptr<CudaDriver> CudaDriver::open(Diagnostics &Diags) {
  std::unique_ptr<CudaDriver> Driver(new CudaDriver());
  if (!Driver->load(Diags))
    return nullptr;
  const CudaFunctions &Functions = Driver->Functions;
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
  if (Result != cuda::NoDevice && !Driver->check(Result, "cuInit", Diags))
    return nullptr;
  return Driver;
}

std::string CudaDriver::versionText() const {
  return std::to_string(Version / 1000) + "." + std::to_string(Version % 1000 / 10);
}

std::vector<CudaDevice> CudaDriver::devices(Diagnostics &Diags) const {
  std::vector<CudaDevice> Found;
  int Count = 0, Result = Functions.GetDeviceCount(&Count);
  // A driver that did not start for want of a GPU has none.
  if (Result == cuda::NoDevice || Result == cuda::NotInitialized ||
      !check(Result, "cuDeviceGetCount", Diags))
    return Found;
  for (int Number = 0; Number < Count; ++Number) {
    CudaDevice Device;
    Device.Number = Number;
    int IsCooperative = 0;
    char Name[256] = {};
    size_t Bytes = 0;
    auto Ask = [&](int &Value, int Attribute) {
      return check(Functions.GetDeviceAttribute(&Value, Attribute, Device.Handle),
                   "cuDeviceGetAttribute", Diags);
    };
    if (!check(Functions.GetDevice(&Device.Handle, Number), "cuDeviceGet", Diags) ||
        !check(Functions.GetDeviceName(Name, sizeof(Name) - 1, Device.Handle), "cuDeviceGetName",
               Diags) ||
        !check(Functions.GetDeviceMemory(&Bytes, Device.Handle), "cuDeviceTotalMem", Diags) ||
        !Ask(Device.Processors, cuda::AttributeProcessors) ||
        !Ask(Device.Major, cuda::AttributeMajor) || !Ask(Device.Minor, cuda::AttributeMinor) ||
        !Ask(IsCooperative, cuda::AttributeCooperative) ||
        !Ask(Device.SharedBytes, cuda::AttributeSharedBytes))
      continue;
    Device.Name = Name;
    Device.MemoryBytes = Bytes;
    Device.IsCooperative = IsCooperative != 0;
    Device.OwnTarget = Functions.GetTarget ? Functions.GetTarget() : "";
    Found.push_back(std::move(Device));
  }
  return Found;
}
