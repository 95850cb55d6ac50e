//===- BlockHash.cpp - A hash that many threads can compute ---------------===//

#include "runtime/workers/BlockHash.h"

#include "runtime/workers/WorkerPool.h"

#include <algorithm>
#include <cstring>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lathe {

static BlockHash hashOnce(const void *Bytes, size_t Count) {
  XXH128_canonical_t Canonical;
  XXH128_canonicalFromHash(&Canonical, XXH3_128bits(Bytes, Count));
  BlockHash Result;
  static_assert(sizeof(Canonical.digest) == sizeof(Result));
  std::memcpy(Result.data(), Canonical.digest, sizeof(Result));
  return Result;
}

BlockHash hashBlocks(std::span<const uint8_t> Bytes, WorkerPool *Workers) {
  size_t Blocks = (Bytes.size() + HashBlockBytes - 1) / HashBlockBytes;
  std::vector<BlockHash> Hashes(Blocks);
  auto HashShare = [&](int64_t Worker, int64_t NumWorkers) {
    for (size_t I = Blocks * Worker / NumWorkers; I < Blocks * (Worker + 1) / NumWorkers; ++I) {
      size_t Start = I * HashBlockBytes;
      Hashes[I] = hashOnce(Bytes.data() + Start, std::min(HashBlockBytes, Bytes.size() - Start));
    }
  };
  if (Workers)
    Workers->run(HashShare);
  else
    HashShare(0, 1);
  return hashOnce(Hashes.data(), Blocks * sizeof(BlockHash));
}

std::string hexText(const BlockHash &Hash) {
  std::string Text;
  for (uint8_t Byte : Hash) {
    Text += "0123456789abcdef"[Byte >> 4];
    Text += "0123456789abcdef"[Byte & 15];
  }
  return Text;
}

} // namespace lathe
