//===- BlockHash.h - A hash that many threads can compute -------*- C++ -*-===//
//
// XXH3-128 (xxHash, doc/xxhash_spec.md, canonical byte order) of the XXH3-128
// hashes of every MiB, one after the other.  It finds damage; it is no signature.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_WORKERS_BLOCKHASH_H
#define LATHE_RUNTIME_WORKERS_BLOCKHASH_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lathe {

class WorkerPool;

using BlockHash = std::array<uint8_t, 16>;

inline constexpr size_t HashBlockBytes = size_t(1) << 20;

/// With `Workers`, all of them share the blocks; null hashes on this thread.
BlockHash hashBlocks(std::span<const uint8_t> Bytes, WorkerPool *Workers = nullptr);

/// 32 hexadecimal digits.
std::string hexText(const BlockHash &Hash);

} // namespace lathe

#endif // LATHE_RUNTIME_WORKERS_BLOCKHASH_H
