//===- DriverApi.cpp - The CUDA driver API over the emulator ---------------===//
//
// The functions that the runtime uses (runtime/device/CudaFunctions.h), by the
// documentation of the CUDA driver API.
//
//===----------------------------------------------------------------------===//

#include "compiler/cuemu/driver/Gpu.h"

#include <algorithm>
#include <cstring>

using namespace lathe::cuemu;

using Lock = std::lock_guard<std::mutex>;

/// Calls `body` with the GPU where a context is current.
template <typename Body> static int inContext(Body body) {
  Lock lock(gpu().mutex);
  Result state = gpu().state();
  return state == Success ? body(gpu()) : state;
}

/// The element of a list that a handle points to, or null.
template <typename T> static T *find(std::list<T> &list, void *handle) {
  auto found = std::find_if(list.begin(), list.end(), [&](T &each) { return &each == handle; });
  return found == list.end() ? nullptr : &*found;
}

template <typename T> static int remove(std::list<T> &list, void *handle) {
  return list.remove_if([&](T &each) { return &each == handle; }) ? Success : InvalidHandle;
}

/// Calls `body` with the GPU and one of its streams.
template <typename Body> static int onStream(void *handle, Body body) {
  return inContext([&](Gpu &device) -> int {
    Stream *stream = find(device.streams, handle);
    return stream ? body(device, *stream) : InvalidHandle;
  });
}

static Kernel *findKernel(Gpu &device, void *handle) {
  for (Module &module : device.modules)
    for (auto &[name, kernel] : module.kernels)
      if (&kernel == handle)
        return &kernel;
  return nullptr;
}

#pragma GCC visibility push(default)
extern "C" {

//===----------------------------------------------------------------------===//
// Driver and device
//===----------------------------------------------------------------------===//

/// What is loaded here is LLVM IR (runtime/device/CudaFunctions.h).
const char *lathe_cuda_target() { return gpu().hasWarpgroups() ? "cuemu_90a" : "cuemu"; }

int cuInit(unsigned flags) { return flags ? InvalidValue : Success; }

int cuDriverGetVersion(int *version) {
  *version = gpu().version;
  return Success;
}

int cuGetErrorName(int result, const char **name) {
  static const std::map<int, const char *> names = {
      {InvalidValue, "CUDA_ERROR_INVALID_VALUE"},
      {OutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
      {InvalidImage, "CUDA_ERROR_INVALID_IMAGE"},
      {InvalidContext, "CUDA_ERROR_INVALID_CONTEXT"},
      {InvalidHandle, "CUDA_ERROR_INVALID_HANDLE"},
      {NotFound, "CUDA_ERROR_NOT_FOUND"},
      {IllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS"},
      {LaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"},
      {CooperativeTooLarge, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"},
      {NotPermitted, "CUDA_ERROR_NOT_PERMITTED"},
      {NotSupported, "CUDA_ERROR_NOT_SUPPORTED"}};
  auto found = names.find(result);
  *name = found == names.end() ? nullptr : found->second;
  return *name ? Success : InvalidValue;
}

int cuDeviceGetCount(int *count) {
  *count = 1;
  return Success;
}

int cuDeviceGet(int *device, int number) {
  *device = 0;
  return number == 0 ? Success : InvalidValue;
}

int cuDeviceGetName(char *name, int length, int) {
  std::strncpy(name, "emulator", static_cast<size_t>(length));
  return Success;
}

/// Of the compute capability that is asked for.
int cuDeviceGetAttribute(int *value, int attribute, int) {
  const std::map<int, int> values = {{16, gpu().processors},
                                     {75, gpu().capability / 10},
                                     {76, gpu().capability % 10},
                                     {95, 1},
                                     {97, int(gpu().mostShared())}};
  auto found = values.find(attribute);
  if (found == values.end())
    return InvalidValue;
  *value = found->second;
  return Success;
}

int cuDeviceTotalMem_v2(size_t *bytes, int) {
  *bytes = gpu().memory.total();
  return Success;
}

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

int cuDevicePrimaryCtxRetain(void **context, int) {
  Lock lock(gpu().mutex);
  ++gpu().contextUsers;
  *context = &gpu();
  return Success;
}

int cuDevicePrimaryCtxRelease_v2(int) {
  Lock lock(gpu().mutex);
  if (gpu().contextUsers == 0)
    return InvalidContext;
  if (--gpu().contextUsers == 0)
    gpu().endContext();
  return Success;
}

int cuCtxPushCurrent_v2(void *context) {
  if (context != &gpu())
    return InvalidContext;
  ++contextDepth();
  return Success;
}

int cuCtxPopCurrent_v2(void **context) {
  if (contextDepth() == 0)
    return InvalidContext;
  --contextDepth();
  *context = &gpu();
  return Success;
}

//===----------------------------------------------------------------------===//
// Modules and functions
//===----------------------------------------------------------------------===//

int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options,
                       void **values) {
  return inContext([&](Gpu &device) -> int {
    constexpr int ErrorLog = 5, ErrorLogBytes = 6;
    char *log = nullptr;
    size_t room = 0;
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == ErrorLog)
        log = static_cast<char *>(values[i]);
      if (options[i] == ErrorLogBytes)
        room = reinterpret_cast<size_t>(values[i]);
    }
    Module *loaded = nullptr;
    std::string wrong;
    Result result = device.load(loaded, static_cast<const char *>(image), wrong);
    if (log && room)
      log[wrong.copy(log, room - 1)] = 0;
    *module = loaded;
    return result;
  });
}

int cuModuleUnload(void *module) {
  return inContext([&](Gpu &device) { return remove(device.modules, module); });
}

int cuModuleGetFunction(void **function, void *handle, const char *name) {
  return inContext([&](Gpu &device) -> int {
    Module *module = find(device.modules, handle);
    if (!module)
      return InvalidHandle;
    auto found = module->kernels.find(name);
    if (found == module->kernels.end())
      return NotFound;
    *function = &found->second;
    return Success;
  });
}

int cuFuncSetAttribute(void *function, int attribute, int value) {
  return inContext([&](Gpu &device) -> int {
    constexpr int DynamicSharedBytes = 8;
    Kernel *kernel = findKernel(device, function);
    if (!kernel)
      return InvalidHandle;
    if (attribute != DynamicSharedBytes || value < 0 || value > int(gpu().mostShared()))
      return InvalidValue;
    kernel->mostShared = static_cast<size_t>(value);
    return Success;
  });
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads,
                                                size_t sharedBytes) {
  return inContext([&](Gpu &device) -> int {
    Kernel *kernel = findKernel(device, function);
    if (!kernel)
      return InvalidHandle;
    bool fits = unsigned(threads) <= kernel->mostThreads && sharedBytes <= kernel->mostShared;
    *blocks = fits ? 1 : 0;
    return Success;
  });
}

int cuLaunchCooperativeKernel(void *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                              unsigned blockX, unsigned blockY, unsigned blockZ,
                              unsigned sharedBytes, void *stream, void **arguments) {
  return onStream(stream, [&](Gpu &device, Stream &on) -> int {
    Kernel *kernel = findKernel(device, function);
    if (!kernel)
      return InvalidHandle;
    if (gridY != 1 || gridZ != 1 || blockY != 1 || blockZ != 1)
      return device.fault(NotSupported, "the emulator has grids of one dimension");
    return device.launch(on, *kernel, {gridX, blockX, sharedBytes}, arguments);
  });
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

int cuMemGetInfo_v2(size_t *free, size_t *total) {
  return inContext([&](Gpu &device) {
    *free = device.memory.free();
    *total = device.memory.total();
    return Success;
  });
}

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  return inContext([&](Gpu &device) { return device.allocate(address, bytes); });
}

int cuMemFree_v2(uint64_t address) {
  return inContext([&](Gpu &device) { return device.release(address); });
}

int cuMemAllocHost_v2(void **address, size_t bytes) {
  return inContext([&](Gpu &device) { return device.allocateHost(address, bytes); });
}

int cuMemFreeHost(void *address) {
  return inContext([&](Gpu &device) { return device.releaseHost(address); });
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  return onStream(stream,
                  [&](Gpu &device, Stream &on) { return device.copyIn(on, to, from, bytes); });
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  return onStream(stream,
                  [&](Gpu &device, Stream &on) { return device.copyOut(on, to, from, bytes); });
}

int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
  return onStream(stream,
                  [&](Gpu &device, Stream &on) { return device.fill(on, to, value, bytes); });
}

//===----------------------------------------------------------------------===//
// Streams and graphs
//===----------------------------------------------------------------------===//

int cuStreamCreate(void **stream, unsigned) {
  return inContext([&](Gpu &device) {
    *stream = &device.streams.emplace_back();
    return Success;
  });
}

int cuStreamDestroy_v2(void *stream) {
  return inContext([&](Gpu &device) { return remove(device.streams, stream); });
}

int cuStreamSynchronize(void *stream) {
  return onStream(stream, [](Gpu &device, Stream &on) { return device.wait(on); });
}

int cuEventCreate(void **event, unsigned) {
  return inContext([&](Gpu &device) {
    *event = &device.events.emplace_back();
    return Success;
  });
}

int cuEventDestroy_v2(void *event) {
  return inContext([&](Gpu &device) { return remove(device.events, event); });
}

int cuEventRecord(void *handle, void *stream) {
  return onStream(stream, [&](Gpu &device, Stream &on) -> int {
    Event *event = find(device.events, handle);
    return event ? device.record(*event, on) : InvalidHandle;
  });
}

int cuEventSynchronize(void *handle) {
  return inContext([&](Gpu &device) -> int {
    Event *event = find(device.events, handle);
    return event ? device.wait(*event) : InvalidHandle;
  });
}

int cuStreamBeginCapture_v2(void *stream, int) {
  return onStream(stream, [](Gpu &device, Stream &on) -> int {
    if (!device.records)
      return NotSupported;
    on.recording = std::make_unique<Graph>();
    return Success;
  });
}

int cuStreamEndCapture(void *stream, void **graph) {
  return onStream(stream, [&](Gpu &device, Stream &on) -> int {
    if (!on.recording)
      return InvalidValue;
    *graph = &device.graphs.emplace_back(std::move(*on.recording));
    on.recording.reset();
    return Success;
  });
}

/// What can be run is a copy.
int cuGraphInstantiateWithFlags(void **executable, void *handle, unsigned long long) {
  return inContext([&](Gpu &device) -> int {
    Graph *graph = find(device.graphs, handle);
    if (!graph)
      return InvalidHandle;
    *executable = &device.graphs.emplace_back(*graph);
    return Success;
  });
}

int cuGraphLaunch(void *executable, void *stream) {
  return onStream(stream, [&](Gpu &device, Stream &on) -> int {
    Graph *graph = find(device.graphs, executable);
    return graph ? device.launch(on, *graph) : InvalidHandle;
  });
}

int cuGraphDestroy(void *graph) {
  return inContext([&](Gpu &device) { return remove(device.graphs, graph); });
}

int cuGraphExecDestroy(void *executable) { return cuGraphDestroy(executable); }

} // extern "C"
#pragma GCC visibility pop
