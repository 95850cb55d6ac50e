//===- CudaFunctions.h - What is used of the CUDA driver API ----*- C++ -*-===//
//
// As docs.nvidia.com/cuda/cuda-driver-api has them: CUresult and CUdevice are int, a
// CUdeviceptr is a number of 64 bits, and all other handles are pointers.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_DEVICE_CUDAFUNCTIONS_H
#define LATHE_RUNTIME_DEVICE_CUDAFUNCTIONS_H

#include <cstddef>
#include <cstdint>

namespace lathe {

namespace cuda {

inline constexpr int Success = 0, OutOfMemory = 2, NotInitialized = 3, NoDevice = 100;

// CUdevice_attribute.
inline constexpr int AttributeProcessors = 16, AttributeMajor = 75, AttributeMinor = 76,
                     AttributeCooperative = 95, AttributeSharedBytes = 97;

inline constexpr int FunctionDynamicSharedBytes = 8;              ///< CUfunction_attribute.
inline constexpr int OptionErrorLog = 5, OptionErrorLogBytes = 6; ///< CUjit_option.
inline constexpr unsigned StreamNonBlocking = 1;                  ///< CUstream_flags.
inline constexpr unsigned EventWithoutTime = 2;                   ///< CUevent_flags.
inline constexpr int CaptureThreadLocal = 1;                      ///< CUstreamCaptureMode.

using Handle = void *;
using Address = uint64_t;

} // namespace cuda

/// What tells of devices.
struct CudaFunctions {
  int (*Init)(unsigned Flags) = nullptr;
  int (*GetDriverVersion)(int *Version) = nullptr;
  int (*GetErrorName)(int Result, const char **Name) = nullptr;
  int (*GetDeviceCount)(int *Count) = nullptr;
  int (*GetDevice)(int *Device, int Number) = nullptr;
  int (*GetDeviceName)(char *Name, int Length, int Device) = nullptr;
  int (*GetDeviceAttribute)(int *Value, int Attribute, int Device) = nullptr;
  int (*GetDeviceMemory)(size_t *Bytes, int Device) = nullptr;
  /// Not NVIDIA's: a driver that loads something else than PTX names the target that
  /// makes it (docs/gpu.md).  Null in all others.
  const char *(*GetTarget)() = nullptr;
};

/// What runs kernels.
struct CudaRunFunctions {
  using Handle = cuda::Handle;
  using Address = cuda::Address;

  int (*RetainContext)(Handle *Context, int Device) = nullptr;
  int (*ReleaseContext)(int Device) = nullptr;
  int (*PushContext)(Handle Context) = nullptr;
  int (*PopContext)(Handle *Context) = nullptr;
  int (*LoadModule)(Handle *Module, const void *Image, unsigned Count, int *Options,
                    void **Values) = nullptr;
  int (*UnloadModule)(Handle Module) = nullptr;
  int (*GetFunction)(Handle *Function, Handle Module, const char *Name) = nullptr;
  int (*SetFunctionAttribute)(Handle Function, int Attribute, int Value) = nullptr;
  int (*GetOccupancy)(int *Blocks, Handle Function, int Threads, size_t SharedBytes) = nullptr;
  int (*GetMemoryInfo)(size_t *Free, size_t *Total) = nullptr;
  int (*Allocate)(Address *Memory, size_t Bytes) = nullptr;
  int (*Free)(Address Memory) = nullptr;
  int (*AllocateHost)(void **Memory, size_t Bytes) = nullptr;
  int (*FreeHost)(void *Memory) = nullptr;
  int (*CopyIn)(Address To, const void *From, size_t Bytes, Handle Stream) = nullptr;
  int (*CopyOut)(void *To, Address From, size_t Bytes, Handle Stream) = nullptr;
  int (*Fill)(Address To, unsigned char Value, size_t Bytes, Handle Stream) = nullptr;
  int (*CreateStream)(Handle *Stream, unsigned Flags) = nullptr;
  int (*DestroyStream)(Handle Stream) = nullptr;
  int (*Synchronize)(Handle Stream) = nullptr;
  int (*CreateEvent)(Handle *Event, unsigned Flags) = nullptr;
  int (*DestroyEvent)(Handle Event) = nullptr;
  int (*RecordEvent)(Handle Event, Handle Stream) = nullptr;
  int (*WaitForEvent)(Handle Event) = nullptr;
  int (*LaunchCooperative)(Handle Function, unsigned GridX, unsigned GridY, unsigned GridZ,
                           unsigned BlockX, unsigned BlockY, unsigned BlockZ, unsigned SharedBytes,
                           Handle Stream, void **Arguments) = nullptr;

  // Of CUDA 11.4; null in older drivers, all or none.
  int (*BeginCapture)(Handle Stream, int Mode) = nullptr;
  int (*EndCapture)(Handle Stream, Handle *Graph) = nullptr;
  int (*InstantiateGraph)(Handle *Executable, Handle Graph, unsigned long long Flags) = nullptr;
  int (*LaunchGraph)(Handle Executable, Handle Stream) = nullptr;
  int (*DestroyGraph)(Handle Graph) = nullptr;
  int (*DestroyExecutable)(Handle Executable) = nullptr;
};

} // namespace lathe

#endif // LATHE_RUNTIME_DEVICE_CUDAFUNCTIONS_H
