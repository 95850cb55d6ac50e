//===- BlockHash.cpp - A hash that many threads can compute ---------------===//

#include "runtime/workers/BlockHash.h"

#include "runtime/workers/WorkerPool.h"

#include <algorithm>
#include <cstring>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lathe {

static BlockHash hashOnce(std::span<const uint8_t> Bytes) {
  XXH128_canonical_t Canonical;
  XXH128_canonicalFromHash(&Canonical, XXH3_128bits(Bytes.data(), Bytes.size()));
  BlockHash Result;
  static_assert(sizeof(Canonical.digest) == sizeof(Result));
  std::memcpy(Result.data(), Canonical.digest, sizeof(Result));
  return Result;
}

static BlockHash hashOfAll(const std::vector<BlockHash> &Hashes) {
  return hashOnce(
      {reinterpret_cast<const uint8_t *>(Hashes.data()), Hashes.size() * sizeof(BlockHash)});
}

static size_t blockCount(std::span<const uint8_t> Bytes) {
  return (Bytes.size() + HashBlockBytes - 1) / HashBlockBytes;
}

static std::span<const uint8_t> block(std::span<const uint8_t> Bytes, size_t Index) {
  size_t Start = Index * HashBlockBytes;
  return Bytes.subspan(Start, std::min(HashBlockBytes, Bytes.size() - Start));
}

BlockHash hashBlocks(std::span<const uint8_t> Bytes, WorkerPool *Workers) {
  size_t Blocks = blockCount(Bytes);
  std::vector<BlockHash> Hashes(Blocks);
  auto HashShare = [&](int64_t Worker, int64_t NumWorkers) {
    for (size_t I = Blocks * Worker / NumWorkers; I < Blocks * (Worker + 1) / NumWorkers; ++I)
      Hashes[I] = hashOnce(block(Bytes, I));
  };
  if (Workers)
    Workers->run(HashShare);
  else
    HashShare(0, 1);
  return hashOfAll(Hashes);
}

HashAhead::HashAhead(std::span<const uint8_t> Mapping)
    : Mapping(Mapping), Hashes(blockCount(Mapping)), Thread([this] { takeBlocks(); }) {
  Thread.start();
}

HashAhead::~HashAhead() { Next = Hashes.size(); }

void HashAhead::takeBlocks() {
  for (size_t I; (I = Next.fetch_add(1)) < Hashes.size();) {
    Hashes[I] = hashOnce(block(Mapping, I));
  }
}

BlockHash HashAhead::finish(WorkerPool &Workers) {
  Workers.run([this](int64_t, int64_t) { takeBlocks(); });
  Thread.wait();
  return hashOfAll(Hashes);
}

} // namespace lathe
