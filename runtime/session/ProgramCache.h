//===- ProgramCache.h - Compiled programs of this user ----------*- C++ -*-===//
//
// One folder per user: $LATHE_CACHE, else $XDG_CACHE_HOME/lathe/programs, else
// ~/.cache/lathe/programs; what else is kept in that cache stands beside it and
// does not count.  An entry is a shared library KEY.so and KEY.sum, which holds
// the XXH3-128 hash of the library.  An entry is opened only after its hash was
// checked, and only from a folder that is ours alone.
//
// A cache never fails a run: all its diagnostics are warnings, E0620 (the
// folder cannot be used), E0621 (an entry was discarded) and E0622 (an entry
// could not be written).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_PROGRAMCACHE_H
#define LATHE_RUNTIME_SESSION_PROGRAMCACHE_H

#include "runtime/session/Program.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

/// All that a compiled program depends on.
struct CacheKeyParts {
  std::span<const uint8_t> ModelHeader; ///< GGUFFile::headerBytes().
  std::string_view Target, Precision;
  int64_t MaxPrefillRows = 0;
  std::string_view CompilerBuild; ///< CompilerLibrary::buildID().
  std::string_view Host;          ///< hostDescription(); counts where it chooses the target.
};

class ProgramCache {
public:
  /// Entries are removed, least recently used first, beyond this.
  static constexpr int64_t DefaultMaxBytes = int64_t(1) << 30;

  /// The folder the environment asks for; empty when it names none.
  static std::string defaultFolder();

  /// Opens the cache in `Folder`, made (0700) if need be.  Nullopt, with a
  /// warning, when it cannot be used: no folder, not a folder, owned by another
  /// user, or writable by others.
  static std::optional<ProgramCache> open(const std::string &Folder, Diagnostics &Diags,
                                          int64_t MaxBytes = DefaultMaxBytes);

  /// 32 hexadecimal digits.
  static std::string key(const CacheKeyParts &Parts);

  /// The program stored under `Key`, or null when there is none.  A damaged
  /// entry is removed with a warning.
  std::shared_ptr<const Program> find(const std::string &Key, Diagnostics &Diags) const;

  /// Stores under `Key` the library that `Write` writes to the path it is
  /// given; false with a warning when that failed.  Nothing half-written stays.
  bool store(const std::string &Key, const std::function<bool(const std::string &Path)> &Write,
             Diagnostics &Diags) const;

  const std::string &folder() const { return Folder; }
  std::string libraryPath(const std::string &Key) const { return Folder + "/" + Key + ".so"; }
  std::string sumPath(const std::string &Key) const { return Folder + "/" + Key + ".sum"; }

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
