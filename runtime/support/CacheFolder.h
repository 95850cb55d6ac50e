//===- CacheFolder.h - A folder that can be thrown away ---------*- C++ -*-===//
//
// What every cache of this user needs of its folder: that it is ours alone, that
// only files that are ours alone are read from it, and that it stays below a size.
// Entries are files named by 32 hexadecimal digits and a suffix; everything else
// in the folder is left alone.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_CACHEFOLDER_H
#define LATHE_RUNTIME_SUPPORT_CACHEFOLDER_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe {

class CacheFolder {
public:
  static constexpr size_t KeyDigits = 32;

  struct Entry {
    std::string Key;
    uint64_t Bytes;
    int64_t UsedNanoseconds; ///< When it was last used, since the epoch.
  };

  /// Opens the folder at `Path`, made (0700) with its parents if need be; `Suffix`
  /// is that of its entries.  Nullopt, with the warning E0620, when it cannot be
  /// made, is no folder, belongs to another user or may be written by others.
  static std::optional<CacheFolder> open(const std::string &Path, std::string_view Suffix,
                                         Diagnostics &Diags);

  const std::string &path() const { return Path; }
  std::string entryPath(std::string_view Key) const {
    return Path + "/" + std::string(Key) + Suffix;
  }

  /// Whether there is an entry of that name, of whatever kind.
  bool has(std::string_view Key) const;

  /// Why the entry must not be read: it is no regular file, not ours, or others
  /// may write it.  Empty when it may.
  std::string fault(std::string_view Key) const;

  /// Makes the entry the most recently used one.
  void markUsed(std::string_view Key) const;

  void remove(std::string_view Key) const;

  /// All entries, least recently used first.
  std::vector<Entry> entries() const;

  /// Removes entries, the least recently used first, until at most `MaxBytes` are
  /// left.  Whoever has one mapped keeps it.
  void shrink(uint64_t MaxBytes) const;

private:
  CacheFolder(std::string Path, std::string_view Suffix) : Path(std::move(Path)), Suffix(Suffix) {}

  std::string Path;
  std::string Suffix;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_CACHEFOLDER_H
