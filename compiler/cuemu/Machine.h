//===- Machine.h - The blocks and threads of one launch ---------*- C++ -*-===//

#ifndef LATHE_COMPILER_CUEMU_MACHINE_H
#define LATHE_COMPILER_CUEMU_MACHINE_H

#include "compiler/cuemu/Emulator.h"
#include "compiler/cuemu/Fiber.h"
#include "compiler/cuemu/FiberStacks.h"
#include "compiler/cuemu/Mbarrier.h"
#include "compiler/cuemu/RaceChecker.h"
#include "compiler/cuemu/WarpOps.h"
#include "compiler/cuemu/WarpgroupOps.h"

#include <map>
#include <optional>
#include <vector>

namespace lathe::cuemu {

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
  /// Waits for the other lanes of the warp, which must come to the same operation.
  void meet(WarpOperation operation, uint32_t detail, const uint32_t *operands, uint32_t *results);
  void read(const void *address, uint64_t bytes, bool isConstant);
  void write(const void *address, uint64_t bytes);
  /// A GPU stops at an address that is not the multiple that the code promises.
  void checkAlignment(const void *address, uint64_t alignment, const char *what);
  uint64_t atomicLoad(const uint64_t *address, bool acquires);
  uint64_t atomicAdd(uint64_t *address, uint64_t value);
  void fence();
  // Copies into shared memory that the thread does not wait for (cp.async): they happen as
  // late as they may, when it waits for the group that they were put into.
  void copyAsync(void *to, const void *from, uint32_t bytes);
  void closeCopies();
  void waitForCopies(uint32_t groupsLeft);
  // Mbarriers (MachineAsync.cpp).
  void initBarrier(void *address, uint32_t count);
  void endBarrier(void *address);
  void arrive(const void *address, uint32_t expectedBytes);
  /// Whether the phase of that parity is complete; else others go on before it is asked again.
  bool tryWait(const void *address, uint32_t parity);
  /// A copy that an mbarrier counts the bytes of: it comes when nothing else can go on.
  void copyBulk(void *to, const void *barrier, const void *from, uint32_t bytes);
  void fenceProxies();
  // Products of warpgroups.
  WarpProducts &products();
  uint8_t *sharedAt(uint64_t address); ///< Of the low 18 bits of an address.
  void beginProduct(const WarpProducts::Product &product);
  void endProduct(const WarpProducts::Product &product);
  /// The thread does not go on.
  void fail(std::string what);

private:
  enum class State { Ready, AtBarrier, InWarp, Done };
  struct Copy {
    uint8_t *to;
    const uint8_t *from;
    uint32_t bytes, group;
  };
  struct Thread {
    Fiber fiber;
    uint32_t block = 0, thread = 0;
    State state = State::Ready;
    bool spins = false;  ///< Paused behind an atomic load that gave what it gave before.
    uint64_t loaded = 0; ///< By the latest atomic load.
    WarpOperation operation = nullptr; ///< That it waits for other lanes at.
    uint32_t detail = 0;
    const uint32_t *operands = nullptr;
    uint32_t *results = nullptr;
    std::vector<Copy> copies; ///< On their way.
    uint32_t openGroup = 0;   ///< Of copies.
    uint32_t arrivals = 0, fences = 0;
    const Mbarrier *awaited = nullptr; ///< That it has asked, and that was not complete.
  };
  struct Block {
    std::vector<uint8_t> shared;
    uint32_t waiting = 0, live = 0, epoch = 0;
    std::vector<uint32_t> arrived, warpEpochs; ///< By warp.
    std::map<const void *, Mbarrier> barriers;
    std::vector<WarpProducts> products;          ///< By warp.
    std::vector<std::vector<uint64_t>> operands; ///< Of products, by warpgroup.
  };
  struct BulkCopy {
    Copy copy;
    const void *barrier;
    Moment start;
  };

  static void runThread(void *argument);
  void pause(State state);
  void finishThread();
  void finishBlock(uint32_t number);
  void releaseBarrier(uint32_t block);
  bool runRound();
  std::string describeDeadlock() const;
  std::string describeBarriers() const;
  Moment now() const;
  bool isShared(const void *address) const;
  void fillShared(const Copy &copy);
  Mbarrier *findBarrier(const void *address);
  bool landCopy();
  bool checkPlace(const void *address, uint64_t bytes, const char *what);
  uint64_t draw(uint64_t limit);

  const Launch launch;
  Kernel kernel;
  void *argument;
  FiberStacks stacks;
  std::vector<Thread> threads;
  std::vector<Block> blocks;
  std::vector<uint32_t> order;
  std::vector<BulkCopy> bulkCopies; ///< On their way.
  std::optional<RaceChecker> checker;
  Thread *running = nullptr;
  std::string fault;
  uint64_t random;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_MACHINE_H
