//===- CudaDriver.h - NVIDIA's driver, opened when it is wanted -*- C++ -*-===//
//
// The CUDA driver API (docs.nvidia.com/cuda/cuda-driver-api) is opened at run time, so
// that nothing here needs it to be built or started.  Only the few functions and numbers
// that are used are declared, as that documentation has them.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_DEVICE_CUDADRIVER_H
#define LATHE_RUNTIME_DEVICE_CUDADRIVER_H

#include "runtime/device/CudaFunctions.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// A GPU as its driver describes it.
struct CudaDevice {
  int Number = 0; ///< As in "cuda:0".
  int Handle = 0; ///< CUdevice.
  std::string Name;
  int Major = 0, Minor = 0; ///< Compute capability: 9, 0 for sm_90.
  int Processors = 0;       ///< Streaming multiprocessors.
  int SharedBytes = 0;      ///< Most shared memory of a block.
  uint64_t MemoryBytes = 0;
  bool IsCooperative = false; ///< Whether the blocks of a launch can wait for each other.
  std::string OwnTarget;      ///< What its driver says that it takes; empty of NVIDIA's.

  /// "cuda:0".
  std::string id() const { return "cuda:" + std::to_string(Number); }
  /// The best of `lathe compile --target` for it, or "" where no kernels run on it.
  std::string target() const;
};

class CudaDriver {
public:
  /// The library that LATHE_CUDA names, else libcuda.so.1.  Null with an error when it
  /// is not there or not one (E0850), too old (E0851), or does not start (E0852).
  static std::unique_ptr<CudaDriver> open(Diagnostics &Diags);
  /// Whether a driver may be there: false where `open` would give E0850 for want of one.
  static bool isInstalled();
  /// The driver's threads may still run, so the library stays open.
  ~CudaDriver() = default;

  /// 12040 is version 12.4 of the API.
  int version() const { return Version; }
  std::string versionText() const;
  /// All GPUs.  Those that the driver fails to describe are told as E0852.
  std::vector<CudaDevice> devices(Diagnostics &Diags) const;

  /// What runs kernels.  Nullopt with E0850 when functions are missing.
  std::optional<CudaRunFunctions> runFunctions(Diagnostics &Diags) const;
  /// "CUDA_ERROR_OUT_OF_MEMORY (2)".
  std::string resultText(int Result) const;
  /// False with E0852 on another result than success.
  bool check(int Result, const char *Function, Diagnostics &Diags) const;
  const std::string &path() const { return Path; }

private:
  CudaDriver() = default;

  class Finder;
  bool load(Diagnostics &Diags);

  std::string Path;
  void *Library = nullptr;
  CudaFunctions Functions;
  int Version = 0;
};

} // namespace lathe

#endif // LATHE_RUNTIME_DEVICE_CUDADRIVER_H
