//===- Gpu.h - The GPU that the emulator's driver pretends ------*- C++ -*-===//
//
// State of a process, behind the functions of the CUDA driver API.  What is given to a
// stream happens as late as it may, when something waits for it, so that a wait that is
// missing shows; what is wrong is told on standard error beside the error code.
//
// Asked of the environment: LATHE_CUEMU_MEMORY, bytes of the device (8 GiB);
// LATHE_CUEMU_PROCESSORS, one block each (2); LATHE_CUEMU_VERSION, of the driver (12040);
// LATHE_CUEMU_CAPABILITY, 80 or 90, whose kernels then run (80);
// LATHE_CUEMU_CHECK, 0 to leave accesses of kernels unchecked, which is ten times as fast;
// LATHE_CUEMU_GRAPHS, 0 to refuse recording; LATHE_CUEMU_TEXT, a file with the kernels that are run
// in place of those that are loaded, so that faults can be planted in them.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_CUEMU_DRIVER_GPU_H
#define LATHE_COMPILER_CUEMU_DRIVER_GPU_H

#include "compiler/cuemu/Emulator.h"
#include "compiler/cuemu/driver/DeviceMemory.h"

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace lathe::cuemu {

/// CUresult.
enum Result : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  InvalidImage = 200,
  InvalidContext = 201,
  InvalidHandle = 400,
  NotFound = 500,
  IllegalAddress = 700,
  LaunchFailed = 719,
  CooperativeTooLarge = 720,
  NotPermitted = 800,
  NotSupported = 801,
};

/// One thing that a stream does.
using Operation = std::function<Result()>;

/// A sequence of them that is recorded, or has been.
struct Graph {
  std::vector<Operation> operations;
};

struct Stream {
  std::deque<Operation> waiting;
  std::unique_ptr<Graph> recording;
  uint64_t done = 0; ///< Operations so far.
};

/// A place in a stream: behind its first `place` operations.
struct Event {
  Stream *stream = nullptr; ///< Null until it is recorded.
  uint64_t place = 0;
};

struct Kernel {
  Emulator *code = nullptr;
  std::string name;
  unsigned mostThreads = 1024; ///< nvvm.maxntid.
  size_t mostShared = 48 * 1024;
};

struct Module {
  std::unique_ptr<Emulator> code;
  std::map<std::string, Kernel> kernels;
};

struct Grid {
  uint32_t blocks, threads;
  size_t sharedBytes;
};

class Gpu {
public:
  Gpu();

  /// Held by every function of the API.
  std::mutex mutex;
  const int version, processors, capability;
  const bool checks, records;

  bool hasWarpgroups() const { return capability >= 90; }
  /// Of a block, as sm_89 has it, and sm_90.
  size_t mostShared() const { return (hasWarpgroups() ? 227 : 99) * 1024; }

  /// Prints what is wrong and gives `result`; an error of a kernel stays for good.
  Result fault(Result result, const std::string &what);
  /// What a function gives that needs a context: an error that stays, or that the thread
  /// has none.
  Result state() const;

  // All but these keep the API's own rules of arguments.
  Result allocate(uint64_t *address, size_t bytes);
  Result release(uint64_t address);
  Result allocateHost(void **address, size_t bytes);
  Result releaseHost(void *address);
  Result copyIn(Stream &stream, uint64_t to, const void *from, size_t bytes);
  Result copyOut(Stream &stream, void *to, uint64_t from, size_t bytes);
  Result fill(Stream &stream, uint64_t to, uint8_t value, size_t bytes);
  Result launch(Stream &stream, Kernel &kernel, const Grid &grid, void **arguments);
  Result launch(Stream &stream, const Graph &graph);
  Result wait(Stream &stream);
  Result record(Event &event, Stream &stream);
  Result wait(const Event &event);

  Result load(Module *&module, const char *text, std::string &log);
  /// When the last user of the context goes: what is left is told.
  void endContext();

  std::list<Module> modules;
  std::list<Stream> streams;
  std::list<Graph> graphs;
  std::list<Event> events;
  DeviceMemory memory;
  int contextUsers = 0;

private:
  Result give(Stream &stream, Operation operation);
  Result runUntil(Stream &stream, uint64_t place);
  Result checkDevice(uint64_t address, size_t bytes, const char *what);
  Result checkHost(const void *address, size_t bytes, const char *what);
  bool isPinned(const void *address, size_t bytes) const;
  Result run(const Kernel &kernel, const Grid &grid, uint64_t argument);

  std::map<uint64_t, size_t> pinned;
  Result stuck = Success;
  uint64_t launches = 0;
};

/// Contexts that are current on this thread, one above the other.
int &contextDepth();

/// The only one.
Gpu &gpu();

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_DRIVER_GPU_H
