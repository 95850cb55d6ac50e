//===- CacheEntry.h - A file of the program cache ---------------*- C++ -*-===//
//
// An entry is one file, a shared library with a trailer behind its last byte,
// where no loader looks:
//
//   lines "name: value", which say what the program was compiled from
//   "note 0000000123\n"   the number of bytes of these lines
//   32 hexadecimal digits and "\n": the XXH3-128 hash of all that is ahead
//
// One file is renamed into place at once, so code and hash never come apart.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_CACHEENTRY_H
#define LATHE_RUNTIME_SESSION_CACHEENTRY_H

#include <optional>
#include <string>
#include <string_view>

namespace lathe {

/// What an entry says of its program.
struct CacheNote {
  std::string Model; ///< Its name, for people.
  std::string Target, Precision;
  std::string CompilerBuild, Host; ///< As in CacheKeyParts.
};

/// The XXH3-128 hash of the bytes as 32 hexadecimal digits.
std::string hexHash(std::string_view Bytes);

/// What has to follow `Code` in an entry.
std::string cacheTrailer(std::string_view Code, const CacheNote &Note);

/// The note of an entry, whose hash is not checked; nullopt when it has none.
std::optional<CacheNote> readCacheNote(std::string_view Entry);

/// Whether the entry ends in the hash of what is ahead of it.
bool cacheHashHolds(std::string_view Entry);

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_CACHEENTRY_H
