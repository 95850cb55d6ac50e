//===- WeightCache.h - Packed weights kept on the disk ----------*- C++ -*-===//
//
// One folder per user: $LATHE_CACHE/weights, else $XDG_CACHE_HOME/lathe/weights,
// else ~/.cache/lathe/weights.  An entry is a file KEY.weights: a page that says
// what it is, and behind it the packed weights as a WeightStore wants them, to be
// mapped read-only and shared by all processes.  docs/weight-cache.md says what
// the key holds, which changes and damages are found, and what is not.
//
// A new entry is a file without a name that is packed into in place, and gets its
// name when it is whole and on the disk; a process that is killed leaves nothing.
//
// A cache never fails a run: all its diagnostics are warnings, E0620 (the folder
// cannot be used), E0621 (an entry was discarded), E0622 (an entry could not be
// written) and E0624 (the size is no size).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_WEIGHTS_WEIGHTCACHE_H
#define LATHE_RUNTIME_WEIGHTS_WEIGHTCACHE_H

#include "runtime/formats/GGUF.h"
#include "runtime/session/Manifest.h"
#include "runtime/support/CacheFolder.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedFile.h"
#include "runtime/support/MappedMemory.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// The page ahead of the weights of an entry.
inline constexpr size_t WeightEntryHeaderBytes = 4096;

/// A new entry.  Not thread-safe.
class WeightEntryWriter {
public:
  /// Waits until the entry is on the disk, when it is to be kept.
  ~WeightEntryWriter();
  WeightEntryWriter(const WeightEntryWriter &) = delete;
  WeightEntryWriter &operator=(const WeightEntryWriter &) = delete;

  /// The pages of the file: zeros, WeightEntryHeaderBytes that are not the
  /// caller's, then the weights.
  MappedMemory &memory() { return Memory; }

  /// The weights are complete and will not change: a thread of its own flushes
  /// them and names the entry, while they are in use.  A failure there costs the
  /// entry and nothing else.
  void keep();

private:
  friend class WeightCache;
  struct Job;
  WeightEntryWriter(MappedMemory Memory, std::unique_ptr<Job> Work);

  MappedMemory Memory;
  std::unique_ptr<Job> Work;
};

/// An entry as it lies in the folder.
struct WeightEntry {
  std::string Key;
  uint64_t Bytes = 0;
  int64_t UsedNanoseconds = 0; ///< When it was last used, since the epoch.
  std::string Model;           ///< Path of the model's file; empty in a damaged entry.
};

class WeightCache {
public:
  static constexpr uint64_t MostDefaultBytes = uint64_t(20) << 30;

  /// The folder the environment asks for; empty when it names none.
  static std::string defaultFolder();

  /// $LATHE_WEIGHT_CACHE_SIZE, bytes or with K, M or G behind them; 0 is no cache.
  /// Else 20 GiB, or a quarter of what `Folder` and its disk's free space hold if
  /// that is less.
  static uint64_t defaultMaxBytes(const CacheFolder &Folder, Diagnostics &Diags);

  /// Nullopt with a warning when the folder cannot be used.
  static std::optional<WeightCache> open(const std::string &Folder, Diagnostics &Diags,
                                         uint64_t MaxBytes);

  /// The cache that the environment asks for; nullopt, without a warning, when it
  /// asks for none.
  static std::optional<WeightCache> openDefault(Diagnostics &Diags);

  /// All that packed weights depend on, as 32 hexadecimal digits.  Reads the file's
  /// header, and no weight.  `Orders` are PackOrder::Places of all weights that have an
  /// order, one behind the other.
  static std::string key(const FileIdentity &Model, std::span<const uint8_t> ModelHeader,
                         const Manifest &Program, std::span<const int32_t> Orders = {});

  /// The entry of `Key` with `Bytes` of weights, or null when there is none.  One
  /// whose size or header is wrong is removed with a warning; the weights are not
  /// read.
  std::unique_ptr<MappedFile> find(const std::string &Key, uint64_t Bytes,
                                   Diagnostics &Diags) const;

  /// Room on the disk for an entry of `Key` with `Bytes` of weights.  Null when it
  /// is larger than the whole cache, and with a warning when it cannot be made.
  std::unique_ptr<WeightEntryWriter> create(const std::string &Key, uint64_t Bytes,
                                            const std::string &Model, Diagnostics &Diags) const;

  /// All entries, least recently used first.
  std::vector<WeightEntry> list() const;

  /// Reads every entry whole; the damaged ones are removed, each with a warning.
  /// Gives the number of sound ones.
  size_t verify(Diagnostics &Diags) const;

  const CacheFolder &folder() const { return Folder; }
  uint64_t maxBytes() const { return MaxBytes; }

private:
  WeightCache(CacheFolder Folder, uint64_t MaxBytes)
      : Folder(std::move(Folder)), MaxBytes(MaxBytes) {}
  void discard(const std::string &Key, const std::string &Reason, Diagnostics &Diags) const;

  CacheFolder Folder;
  uint64_t MaxBytes;
};

} // namespace lathe

#endif // LATHE_RUNTIME_WEIGHTS_WEIGHTCACHE_H
