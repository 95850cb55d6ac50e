//===- BlockHash.h - A hash that many threads can compute -------*- C++ -*-===//
//
// XXH3-128 (xxHash, doc/xxhash_spec.md, canonical byte order) of the XXH3-128
// hashes of every MiB, one after the other.  It finds damage; it is no signature.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_WORKERS_BLOCKHASH_H
#define LATHE_RUNTIME_WORKERS_BLOCKHASH_H

#include "runtime/support/BackgroundTask.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

class WorkerPool;

using BlockHash = std::array<uint8_t, 16>;

inline constexpr size_t HashBlockBytes = size_t(1) << 20;

/// With `Workers`, all of them share the blocks; null hashes on this thread.
BlockHash hashBlocks(std::span<const uint8_t> Bytes, WorkerPool *Workers = nullptr);

/// The same for a read-only file mapping, begun before the workers are at hand.  Not
/// thread-safe.
class HashAhead {
public:
  /// A thread of its own takes one block after the other.
  explicit HashAhead(std::span<const uint8_t> Mapping);
  /// Gives up what is not hashed yet.
  ~HashAhead();

  /// All workers help with what is left.
  BlockHash finish(WorkerPool &Workers);

private:
  void takeBlocks();

  std::span<const uint8_t> Mapping;
  std::vector<BlockHash> Hashes; ///< One for each block.
  std::atomic<size_t> Next = 0;  ///< The first block that nobody has taken.
  BackgroundTask Thread;
};

} // namespace lathe

#endif // LATHE_RUNTIME_WORKERS_BLOCKHASH_H
