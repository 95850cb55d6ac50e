//===- Machine.h - The blocks and threads of one launch ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_CUEMU_MACHINE_H
#define LATHE_COMPILER_CUEMU_MACHINE_H

#include "compiler/cuemu/Emulator.h"
#include "compiler/cuemu/Fiber.h"
#include "compiler/cuemu/FiberStacks.h"
#include "compiler/cuemu/RaceChecker.h"

#include <optional>
#include <vector>

namespace lathe::cuemu {

inline constexpr uint32_t WarpThreads = 32;

/// Runs one launch on the thread that makes it.  While it runs, it is the thread's
/// `current`, which the functions below, called by compiled code, work on.
class Machine {
public:
  using Kernel = void (*)(void *);

  Machine(const Launch &launch, Kernel kernel, void *argument, bool checksRaces);
  Machine(const Machine &) = delete;
  Machine &operator=(const Machine &) = delete;
  ~Machine();
  /// To the end of all threads; what went wrong first, or nothing.
  std::string run();

  static Machine *current();

  // What the running thread does.
  uint32_t threadIndex() const { return running->thread; }
  uint32_t blockIndex() const { return running->block; }
  uint32_t blockCount() const { return launch.blocks; }
  uint8_t *sharedMemory();
  void barrier();
  uint32_t shuffle(uint32_t value, uint32_t laneMask);
  void read(const void *address, uint64_t bytes, bool isConstant);
  void write(const void *address, uint64_t bytes);
  uint64_t atomicLoad(const uint64_t *address, bool acquires);
  uint64_t atomicAdd(uint64_t *address, uint64_t value);
  void fence();

private:
  enum class State { Ready, AtBarrier, InWarp, Done };
  struct Thread {
    Fiber fiber;
    uint32_t block = 0, thread = 0;
    State state = State::Ready;
    bool spins = false;  ///< Paused behind an atomic load that gave what it gave before.
    uint64_t loaded = 0; ///< By the latest atomic load.
    uint32_t value = 0, laneMask = 0, result = 0; ///< Of a shuffle.
  };
  struct Block {
    std::vector<uint8_t> shared;
    uint32_t waiting = 0, live = 0, epoch = 0;
    std::vector<uint32_t> arrived, warpEpochs; ///< By warp.
  };

  static void runThread(void *argument);
  void pause(State state);
  void finishThread();
  void releaseBarrier(uint32_t block);
  void fail(std::string what);
  bool runRound();
  std::string describeDeadlock() const;
  Moment now() const;
  bool isShared(const void *address) const;
  bool checkPlace(const void *address, uint64_t bytes, const char *what);
  uint64_t draw(uint64_t limit);

  const Launch launch;
  Kernel kernel;
  void *argument;
  FiberStacks stacks;
  std::vector<Thread> threads;
  std::vector<Block> blocks;
  std::vector<uint32_t> order;
  std::optional<RaceChecker> checker;
  Thread *running = nullptr;
  std::string fault;
  uint64_t random;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_MACHINE_H
