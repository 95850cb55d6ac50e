//===- ProgramCache.h - Compiled programs of this user ----------*- C++ -*-===//
//
// One folder per user: $LATHE_CACHE, else $XDG_CACHE_HOME/lathe/programs, else
// ~/.cache/lathe/programs; what else is kept in that cache stands beside it and
// does not count.  An entry is a file KEY.so (CacheEntry.h), opened only after
// its hash was checked, and only from a folder that is ours alone.  Beyond
// $LATHE_CACHE_SIZE bytes entries are removed, least recently used first.
//
// A cache never fails a run: all its diagnostics are warnings, E0620 (the
// folder cannot be used), E0621 (an entry was discarded), E0622 (an entry could
// not be written) and E0623 (the size is no size).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_PROGRAMCACHE_H
#define LATHE_RUNTIME_SESSION_PROGRAMCACHE_H

#include "runtime/session/CacheEntry.h"
#include "runtime/session/Program.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// All that a compiled program depends on.
struct CacheKeyParts {
  std::span<const uint8_t> ModelHeader; ///< GGUFFile::headerBytes().
  std::string_view Target, Precision, KVType;
  int64_t MaxPrefillRows = 0;
  std::string_view CompilerBuild; ///< CompilerLibrary::buildID().
  std::string_view Host;          ///< hostDescription(); counts where it chooses the target.
  std::string_view Passes = {};   ///< lathe_compile_request::passes.
};

/// An entry as it lies in the folder.
struct CacheFile {
  std::string Key;
  int64_t Bytes = 0;
  int64_t Used = 0;              ///< When it was last used, in seconds of the epoch.
  std::optional<CacheNote> Note; ///< Missing in an entry of another layout, or a damaged one.
};

class ProgramCache {
public:
  /// Where $LATHE_CACHE_SIZE says nothing.
  static constexpr int64_t DefaultMaxBytes = int64_t(1) << 30;

  /// The folder the environment asks for; empty when it names none.
  static std::string defaultFolder();

  /// The size the environment asks for: a number of bytes, or of KiB, MiB or GiB
  /// with K, M or G behind it.
  static int64_t defaultMaxBytes(Diagnostics &Diags);

  /// Opens the cache in `Folder`, made (0700) if need be.  Nullopt, with a
  /// warning, when it cannot be used: no folder, not a folder, owned by another
  /// user, or writable by others.
  static std::optional<ProgramCache> open(const std::string &Folder, Diagnostics &Diags,
                                          int64_t MaxBytes = DefaultMaxBytes);

  /// The cache that the environment asks for.
  static std::optional<ProgramCache> openDefault(Diagnostics &Diags) {
    return open(defaultFolder(), Diags, defaultMaxBytes(Diags));
  }

  /// 32 hexadecimal digits.
  static std::string key(const CacheKeyParts &Parts);

  /// The program stored under `Key`, or null when there is none.  A damaged
  /// entry is removed with a warning.
  std::shared_ptr<const Program> find(const std::string &Key, Diagnostics &Diags) const;

  /// Stores under `Key` the library that `Write` writes to the path it is
  /// given; false with a warning when that failed.  Nothing half-written stays.
  bool store(const std::string &Key, const CacheNote &Note,
             const std::function<bool(const std::string &Path)> &Write, Diagnostics &Diags) const;

  /// All entries, least recently used first.
  std::vector<CacheFile> list() const;

  /// Removes the entries that `Chosen` accepts, and gives them.  Other files in
  /// the folder stay, but for what killed writers left.
  std::vector<CacheFile> clear(const std::function<bool(const CacheFile &)> &Chosen) const;

  /// Checks every entry; the damaged ones are removed, each with a warning.
  /// Gives the number of sound ones.
  int64_t verify(Diagnostics &Diags) const;

  const std::string &folder() const { return Folder; }
  int64_t maxBytes() const { return MaxBytes; }
  std::string path(const std::string &Key) const { return Folder + "/" + Key + ".so"; }

private:
  ProgramCache(std::string Folder, int64_t MaxBytes)
      : Folder(std::move(Folder)), MaxBytes(MaxBytes) {}
  void discard(const std::string &Key, const std::string &Reason, Diagnostics &Diags) const;
  void evict() const;

  std::string Folder;
  int64_t MaxBytes;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_PROGRAMCACHE_H
