//===- Gpu.cpp - The GPU that the emulator's driver pretends ---------------===//

#include "compiler/cuemu/driver/Gpu.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/Support/SourceMgr.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

using namespace lathe::cuemu;

static size_t setting(const char *name, size_t usual) {
  const char *text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 10) : usual;
}

Gpu::Gpu()
    : version(static_cast<int>(setting("LATHE_CUEMU_VERSION", 12040))),
      processors(static_cast<int>(setting("LATHE_CUEMU_PROCESSORS", 2))),
      capability(static_cast<int>(setting("LATHE_CUEMU_CAPABILITY", 80))),
      checks(setting("LATHE_CUEMU_CHECK", 1) != 0), records(setting("LATHE_CUEMU_GRAPHS", 1) != 0),
      memory(setting("LATHE_CUEMU_MEMORY", size_t(8) << 30)) {}

Gpu &lathe::cuemu::gpu() {
  // It is there as long as the process.
  static auto *only = new Gpu;
  return *only;
}

int &lathe::cuemu::contextDepth() {
  static thread_local int depth = 0;
  return depth;
}

Result Gpu::fault(Result result, const std::string &what) {
  std::fprintf(stderr, "cuemu: %s\n", what.c_str());
  if (result == IllegalAddress || result == LaunchFailed)
    stuck = result;
  return result;
}

Result Gpu::state() const {
  if (stuck != Success)
    return stuck;
  return contextUsers > 0 && contextDepth() > 0 ? Success : InvalidContext;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Result Gpu::checkDevice(uint64_t address, size_t bytes, const char *what) {
  if (memory.owns(address, bytes))
    return Success;
  bool isOurs = memory.covers(reinterpret_cast<const void *>(address));
  return fault(InvalidValue, std::string(what) + " of " + std::to_string(bytes) + " bytes: " +
                                 (isOurs ? "they are not all memory of the device that is there"
                                         : "the address is not one of the device"));
}

Result Gpu::checkHost(const void *address, size_t bytes, const char *what) {
  if (!memory.covers(address))
    return Success;
  return fault(InvalidValue, std::string(what) + " of " + std::to_string(bytes) +
                                 " bytes: the address is one of the device, not of the host");
}

Result Gpu::allocate(uint64_t *address, size_t bytes) {
  if (bytes == 0)
    return InvalidValue;
  *address = memory.allocate(bytes);
  return *address ? Success : OutOfMemory;
}

/// As the real one, this waits for all that may use the memory.
Result Gpu::release(uint64_t address) {
  for (Stream &stream : streams)
    if (Result result = wait(stream))
      return result;
  return memory.release(address)
             ? Success
             : fault(InvalidValue, "cuMemFree: no memory of the device begins at the address");
}

Result Gpu::allocateHost(void **address, size_t bytes) {
  void *fresh = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fresh == MAP_FAILED)
    return OutOfMemory;
  pinned[reinterpret_cast<uint64_t>(fresh)] = bytes;
  *address = fresh;
  return Success;
}

Result Gpu::releaseHost(void *address) {
  auto found = pinned.find(reinterpret_cast<uint64_t>(address));
  if (found == pinned.end())
    return fault(InvalidValue, "cuMemFreeHost: no pinned memory begins at the address");
  munmap(address, found->second);
  pinned.erase(found);
  return Success;
}

bool Gpu::isPinned(const void *address, size_t bytes) const {
  auto number = reinterpret_cast<uint64_t>(address);
  auto behind = pinned.upper_bound(number);
  if (behind == pinned.begin())
    return false;
  auto [first, size] = *std::prev(behind);
  return number - first <= size && bytes <= size - (number - first);
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

Result Gpu::give(Stream &stream, Operation operation) {
  if (stream.recording)
    stream.recording->operations.push_back(std::move(operation));
  else
    stream.waiting.push_back(std::move(operation));
  return Success;
}

Result Gpu::runUntil(Stream &stream, uint64_t place) {
  if (stream.recording)
    return fault(NotPermitted, "a stream that is recorded cannot be waited for");
  DeviceMemory::Open open(memory);
  while (stream.done < place && !stream.waiting.empty()) {
    Operation operation = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    ++stream.done;
    if (stuck != Success || operation() != Success) {
      stream.waiting.clear();
      return stuck = stuck != Success ? stuck : LaunchFailed;
    }
  }
  return stuck;
}

Result Gpu::wait(Stream &stream) { return runUntil(stream, stream.done + stream.waiting.size()); }

Result Gpu::record(Event &event, Stream &stream) {
  if (stream.recording)
    return fault(NotSupported, "the emulator does not record events");
  event = {&stream, stream.done + stream.waiting.size()};
  return Success;
}

/// What stands behind the event stays undone.
Result Gpu::wait(const Event &event) {
  if (!event.stream)
    return Success;
  for (Stream &stream : streams)
    if (&stream == event.stream)
      return runUntil(stream, event.place);
  return fault(InvalidHandle, "an event of a stream that is not there any more");
}

Result Gpu::copyIn(Stream &stream, uint64_t to, const void *from, size_t bytes) {
  constexpr const char *what = "a copy to the device";
  if (Result result = checkDevice(to, bytes, what))
    return result;
  if (Result result = checkHost(from, bytes, what))
    return result;
  if (isPinned(from, bytes))
    return give(stream, [=, this]() -> Result {
      if (!isPinned(from, bytes))
        return fault(IllegalAddress, std::string(what) + ": its source was freed meanwhile");
      if (Result result = checkDevice(to, bytes, what))
        return result;
      std::memcpy(reinterpret_cast<void *>(to), from, bytes);
      return Success;
    });
  // Other memory is read ahead of the return.
  auto *first = static_cast<const uint8_t *>(from);
  return give(stream, [=, this, kept = std::vector<uint8_t>(first, first + bytes)]() -> Result {
    if (Result result = checkDevice(to, bytes, what))
      return result;
    std::memcpy(reinterpret_cast<void *>(to), kept.data(), bytes);
    return Success;
  });
}

Result Gpu::copyOut(Stream &stream, void *to, uint64_t from, size_t bytes) {
  constexpr const char *what = "a copy from the device";
  if (Result result = checkDevice(from, bytes, what))
    return result;
  if (Result result = checkHost(to, bytes, what))
    return result;
  bool isLate = isPinned(to, bytes);
  give(stream, [=, this]() -> Result {
    if (isLate && !isPinned(to, bytes))
      return fault(IllegalAddress, std::string(what) + ": its destination was freed meanwhile");
    if (Result result = checkDevice(from, bytes, what))
      return result;
    std::memcpy(to, reinterpret_cast<void *>(from), bytes);
    return Success;
  });
  // To other memory, it is done ahead of the return.
  return isLate || stream.recording ? Success : wait(stream);
}

Result Gpu::fill(Stream &stream, uint64_t to, uint8_t value, size_t bytes) {
  if (Result result = checkDevice(to, bytes, "a fill"))
    return result;
  return give(stream, [=, this]() -> Result {
    if (Result result = checkDevice(to, bytes, "a fill"))
      return result;
    std::memset(reinterpret_cast<void *>(to), value, bytes);
    return Success;
  });
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

Result Gpu::load(Module *&module, const char *text, std::string &log) {
  auto context = std::make_unique<llvm::LLVMContext>();
  llvm::SMDiagnostic wrong;
  const char *other = std::getenv("LATHE_CUEMU_TEXT");
  std::unique_ptr<llvm::Module> ir = other && *other
                                         ? llvm::parseAssemblyFile(other, wrong, *context)
                                         : llvm::parseAssemblyString(text, wrong, *context);
  if (!ir) {
    log = "not LLVM IR: " + wrong.getMessage().str();
    return InvalidImage;
  }
  constexpr unsigned SharedSpace = 3;
  std::string shared;
  for (const llvm::GlobalVariable &global : ir->globals())
    if (global.getAddressSpace() == SharedSpace && global.isDeclaration())
      shared = global.getName();
  Module fresh;
  for (const llvm::Function &function : *ir) {
    if (function.getCallingConv() != llvm::CallingConv::PTX_Kernel)
      continue;
    Kernel &kernel = fresh.kernels[function.getName().str()];
    kernel.name = function.getName();
    function.getFnAttribute("nvvm.maxntid").getValueAsString().getAsInteger(10, kernel.mostThreads);
  }
  auto code = Emulator::create(std::move(ir), std::move(context), shared, checks);
  if (!code) {
    log = llvm::toString(code.takeError());
    return InvalidImage;
  }
  fresh.code = std::move(*code);
  modules.push_back(std::move(fresh));
  module = &modules.back();
  for (auto &[name, kernel] : module->kernels)
    kernel.code = module->code.get();
  return Success;
}

Result Gpu::run(const Kernel &kernel, const Grid &grid, uint64_t argument) {
  Launch launch{grid.blocks, grid.threads, grid.sharedBytes, ++launches};
  launch.findFault = [this](const void *address, uint64_t bytes) {
    auto place = reinterpret_cast<uint64_t>(address);
    return memory.owns(place, bytes) ? "" : memory.describe(place);
  };
  llvm::Error error = kernel.code->run(kernel.name, launch, reinterpret_cast<void *>(argument));
  if (!error)
    return Success;
  std::string what = llvm::toString(std::move(error));
  bool isPlace = what.find("not memory of the device") != std::string::npos;
  return fault(isPlace ? IllegalAddress : LaunchFailed, what);
}

/// The kernel's only argument is a pointer, which is read now.
Result Gpu::launch(Stream &stream, Kernel &kernel, const Grid &grid, void **arguments) {
  if (grid.threads == 0 || grid.threads > kernel.mostThreads || grid.blocks == 0 ||
      grid.sharedBytes > kernel.mostShared)
    return fault(InvalidValue, kernel.name + ": " + std::to_string(grid.blocks) + " blocks of " +
                                   std::to_string(grid.threads) + " threads and " +
                                   std::to_string(grid.sharedBytes) +
                                   " bytes of shared memory are not what the kernel may have");
  if (grid.blocks > static_cast<uint32_t>(processors))
    return fault(CooperativeTooLarge,
                 kernel.name + ": " + std::to_string(grid.blocks) +
                     " blocks of a cooperative launch are more than run at once");
  uint64_t argument;
  std::memcpy(&argument, arguments[0], sizeof(argument));
  return give(stream, [=, this, &kernel] { return run(kernel, grid, argument); });
}

Result Gpu::launch(Stream &stream, const Graph &graph) {
  for (const Operation &operation : graph.operations)
    give(stream, operation);
  return Success;
}

void Gpu::endContext() {
  if (memory.blocks() != 0)
    std::fprintf(stderr, "cuemu: %zu blocks of the device's memory were not freed\n",
                 memory.blocks());
  if (!pinned.empty() || !modules.empty() || !streams.empty() || !graphs.empty() || !events.empty())
    std::fprintf(stderr,
                 "cuemu: pinned memory, modules, streams, graphs or events were not freed\n");
}
