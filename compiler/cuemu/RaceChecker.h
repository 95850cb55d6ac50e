//===- RaceChecker.h - Accesses to memory that nothing orders ---*- C++ -*-===//
//
// Keeps, for every byte, its last write and up to two reads since.  What orders the
// accesses of two threads:
//
//   - in a block: a barrier of the block between them;
//   - in a warp: an operation that all lanes of the warp take part in;
//   - between blocks: a fence behind the first, then an atomic addition; an atomic load
//     of the same address in the other block, with acquire order or a fence behind it,
//     and a barrier there.
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

/// A thread, and how many barriers of its block and its warp it has passed.
struct Moment {
  uint32_t block = 0, thread = 0, blockEpoch = 0, warpEpoch = 0;
};

/// Of each block, the barriers before which its accesses are known to be done.
using BlockClock = std::vector<uint32_t>;

class RaceChecker {
public:
  RaceChecker(uint32_t blocks, uint32_t warpThreads);

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

private:
  struct Access : Moment {
    bool isThere = false;
  };
  struct Byte {
    Access write, reads[2];
    bool isConstant = false; ///< Read as memory that nothing writes.
    bool isComing = false;   ///< By a copy that nobody waited for.
  };
  static constexpr uint64_t PageBytes = 1024;
  struct Page {
    Byte bytes[PageBytes];
  };

  Byte &find(uint64_t address);
  bool isOrdered(const Access &before, const Moment &now) const;
  std::string describe(const char *what, const Access &before, const Moment &now) const;

  uint32_t warpThreads;
  std::vector<BlockClock> seen, pending, observed, released; ///< By block.
  std::unordered_map<const void *, BlockClock> published;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages;
  uint64_t latestNumber = ~uint64_t(0);
  Page *latest = nullptr;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_RACECHECKER_H
