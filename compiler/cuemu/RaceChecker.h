//===- RaceChecker.h - Accesses to memory that nothing orders ---*- C++ -*-===//
//
// Keeps, for every byte, its last write and up to two reads since.  What orders the
// accesses of two threads:
//
//   - in a block: a barrier of the block between them;
//   - in a warp: an operation that all lanes of the warp take part in;
//   - in a block: an mbarrier at which the first has arrived, and whose phase the second has
//     seen complete; bulk copies are known to whoever has seen the phase that counts them;
//   - between blocks: a fence behind the first, then an atomic addition; an atomic load
//     of the same address in the other block, with acquire order or a fence behind it,
//     and a barrier there.
//
// What threads write is read by tensor cores and by bulk copies, which see memory through a
// proxy of their own, behind a fence of proxies of the thread that wrote it.
//
// So a fence that is missing shows although the emulator runs one thread at a time.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_CUEMU_RACECHECKER_H
#define LATHE_COMPILER_CUEMU_RACECHECKER_H

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace lathe::cuemu {

/// A thread, how many barriers of its block and its warp it has passed, at how many mbarriers
/// it has arrived, and how many fences of proxies it has made.
struct Moment {
  uint32_t block = 0, thread = 0, blockEpoch = 0, warpEpoch = 0, arrivals = 0, fences = 0;
};

/// Of one block: how many arrivals of each thread, operations of each warp, and bulk copies of
/// each mbarrier there were behind accesses that are known to be done.
struct ThreadClock {
  std::vector<uint32_t> arrivals, warpEpochs, copies;

  void join(const ThreadClock &other);
};

/// Of each block, the barriers before which its accesses are known to be done.
using BlockClock = std::vector<uint32_t>;

class RaceChecker {
public:
  RaceChecker(uint32_t blocks, uint32_t threads, uint32_t warpThreads);

  /// What a read is of.
  enum class Source {
    Global,   ///< Memory of the device, which the host may have written.
    Constant, ///< Likewise, and nothing writes it while the kernel runs.
    Shared    ///< Memory of the block, where there is only what its threads wrote.
  };

  // Each gives what is wrong, or nothing.
  std::string read(const void *address, uint64_t bytes, const Moment &now, Source source);
  std::string write(const void *address, uint64_t bytes, const Moment &now);
  /// A copy into shared memory that comes at any time until `endCopy`: until then nobody
  /// touches the bytes, and then its thread has written them.
  std::string beginCopy(const void *address, uint64_t bytes, const Moment &now);
  void endCopy(const void *address, uint64_t bytes, const Moment &now);

  /// `block` comes to a barrier of its own: what it has acquired holds for all its threads.
  void passBarrier(uint32_t block);
  void fence(const Moment &now);
  void publish(const void *address, uint32_t block);
  /// An atomic load; without acquire order it counts from the next fence on.
  void observe(const void *address, uint32_t block, bool acquires);

  // Through the async proxy.
  void fenceProxies(const Moment &now);
  /// Whether what threads wrote there has a fence of proxies behind it.
  std::string checkProxy(const void *address, uint64_t bytes, const Moment &now);
  /// Bytes that a product reads at any time until `endProduct`: nobody writes them meanwhile.
  void beginProduct(const void *address, uint64_t bytes);
  std::string endProduct(const void *address, uint64_t bytes, const Moment &now);
  /// A bulk copy is the `number`-th that mbarrier `barrier` of the block counts.
  void endBulkCopy(const void *address, uint64_t bytes, uint32_t block, uint32_t barrier,
                   uint32_t number);

  // Mbarriers.
  /// What is known to `now`, and that it has come here, is added to a clock.
  void tell(ThreadClock &clock, const Moment &now);
  void learn(const ThreadClock &clock, const Moment &now);
  /// All lanes of the thread's warp meet.
  void meetWarp(const Moment &now);

private:
  struct Access : Moment {
    bool isThere = false;
    uint32_t barrier = 0; ///< The mbarrier of a bulk copy, plus 1; `arrivals` is its number.
  };
  struct Byte {
    Access write, reads[2];
    uint32_t products = 0;   ///< That are reading it.
    bool isConstant = false; ///< Read as memory that nothing writes.
    bool isComing = false;   ///< By a copy that nobody waited for.
  };
  /// What the threads of a block have seen of mbarriers.
  struct Knowledge {
    std::vector<ThreadClock> threads; ///< Empty until one has seen something.
    std::vector<bool> freshWarps;     ///< In which lanes know what others do not.
    bool isFresh = false;             ///< Likewise for the block.
  };
  static constexpr uint64_t PageBytes = 1024;
  struct Page {
    Byte bytes[PageBytes];
  };

  Byte &find(uint64_t address);
  bool isOrdered(const Access &before, const Moment &now) const;
  bool isKnown(const Access &before, const Moment &now) const;
  void share(Knowledge &knowledge, uint32_t first, uint32_t count);
  std::string describe(const char *what, const Access &before, const Moment &now) const;

  uint32_t threads, warpThreads;
  std::vector<Knowledge> knowledge;                          ///< By block.
  std::vector<uint32_t> proxyFences;                         ///< By block and thread.
  std::vector<BlockClock> seen, pending, observed, released; ///< By block.
  std::unordered_map<const void *, BlockClock> published;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages;
  uint64_t latestNumber = ~uint64_t(0);
  Page *latest = nullptr;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_RACECHECKER_H
