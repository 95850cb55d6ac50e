//===- WeightStore.h - The packed weights of a program ----------*- C++ -*-===//
//
// One packed copy of every weight that a program's manifest names, in one
// read-only mapping, in the order of the weight table: mapped from the cache when
// it is there, else packed, into a new file of the cache where it can be.  The
// model file's pages are given back while packing goes on, so that a weight is
// never resident twice for long.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_WEIGHTS_WEIGHTSTORE_H
#define LATHE_RUNTIME_WEIGHTS_WEIGHTSTORE_H

#include "runtime/formats/TensorFile.h"
#include "runtime/session/Manifest.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/weights/WeightCache.h"
#include "runtime/workers/WorkerPool.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lathe {

/// What a session needs to know of weights.
struct WeightView {
  const uint8_t *const *Table = nullptr; ///< lathe_step_args::weights.
  size_t Bytes = 0;                      ///< Packed size, for reports.
};

/// The files that the weights of a program are in.  They must outlive it.
class WeightFiles {
public:
  WeightFiles() = default;
  /// The one for weights that name no file.  Not explicit: most programs have no
  /// other.
  WeightFiles(const TensorFile &Only) { add({}, Only); }

  void add(std::string Name, const TensorFile &File) { Files.emplace(std::move(Name), &File); }
  /// The file that is added under `Name`, or null.
  const TensorFile *find(const std::string &Name) const {
    auto Found = Files.find(Name);
    return Found == Files.end() ? nullptr : Found->second;
  }
  /// The only file, or null.
  const TensorFile *only() const { return Files.size() == 1 ? Files.begin()->second : nullptr; }
  /// Names and files, by name.
  const std::map<std::string, const TensorFile *> &all() const { return Files; }

private:
  std::map<std::string, const TensorFile *> Files;
};

/// Whether the pages of the model file may be given back: only when the file
/// is mapped (TensorFile::open), never for bytes in memory (GGUFFile::parse).
enum class SourcePages { Keep, Release };

/// What weights that are infinite or not a number are (E0325).
enum class NonFiniteWeights { Warning, Error };

class WeightStore {
public:
  /// Checks that `Files` have every tensor of `Program` in the right format and
  /// shape, then finds them in `Cache`, or packs them with all workers.  Null on
  /// error: E0630 and E0631, one per tensor up to a limit and then a count; E0810
  /// out of memory; E0325 when `NonFinite` says that it is an error.
  ///
  /// A null `Cache` is none.  Weights that are not all finite are not kept there, so
  /// that E0325 is told every time, nor is what was packed from a file that changed
  /// meanwhile or just before.  With a cache what comes from several files is one part a
  /// file, so that a program shares the model's weights with others of the model.
  static std::unique_ptr<WeightStore> create(const WeightFiles &Files, const Manifest &Program,
                                             WorkerPool &Workers, SourcePages Pages,
                                             NonFiniteWeights NonFinite, Diagnostics &Diags,
                                             const WeightCache *Cache = nullptr);

  /// Weights that were packed ahead, in the order and with the gaps of a store that
  /// `create` made; `Owner` keeps them.  Headers of `Files` are enough.  Null on error: E0630,
  /// E0631, E0633, and E0632 when `Packed` has another size.
  static std::unique_ptr<WeightStore> fromPacked(const WeightFiles &Files, const Manifest &Program,
                                                 std::span<const uint8_t> Packed,
                                                 std::shared_ptr<const void> Owner,
                                                 Diagnostics &Diags);

  /// Brings the pages of weights that lie in the cache into this process, with all
  /// workers: a call instead of a fault for each, in the first step.  To be called
  /// when nothing else needs the memory that the compiler may have taken.
  void populate(WorkerPool &Workers) const;

  /// Gives back the pages inside [Offset, Offset + Count) of weights that lie in the
  /// cache, where they come from when they are read again.
  void release(size_t Offset, size_t Count) const;

  /// All packed weights, one after the other; nothing where they are in parts.
  std::span<const uint8_t> packed() const { return {Start, Bytes}; }
  /// Pointers to packed weights, each 64-byte aligned; Manifest::WeightTableSize
  /// of them.
  const uint8_t *const *table() const { return Table.data(); }
  /// Size of all, with the gaps between them.
  size_t bytes() const { return Bytes; }
  /// Whether they were packed by an earlier run.
  bool fromCache() const { return FromCache; }
  WeightView view() const { return {table(), bytes()}; }

private:
  WeightStore() = default;

  static std::unique_ptr<WeightStore> createParts(const WeightFiles &Files, const Manifest &Program,
                                                  WorkerPool &Workers, SourcePages Pages,
                                                  NonFiniteWeights NonFinite, Diagnostics &Diags,
                                                  const WeightCache &Cache);
  uint8_t *allocate(std::unique_ptr<WeightEntryWriter> Entry, WorkerPool &Workers,
                    Diagnostics &Diags);
  void setTable(const uint8_t *First, std::span<const uint64_t> Offsets);
  bool seal(bool Keep, Diagnostics &Diags);

  // One of the four holds the weights.
  std::vector<std::unique_ptr<WeightStore>> Parts; ///< One a file.
  MappedMemory Memory;
  std::unique_ptr<WeightEntryWriter> NewEntry;
  std::shared_ptr<const void> Owner; ///< Of weights that were packed ahead.
  bool FromCache = false;
  const uint8_t *Start = nullptr;
  size_t Bytes = 0;
  std::vector<const uint8_t *> Table;
};

} // namespace lathe

#endif // LATHE_RUNTIME_WEIGHTS_WEIGHTSTORE_H
