//===- CacheSections.h - What `lathe cache` shows ---------------*- C++ -*-===//
//
// The user's cache has sections, a folder each: compiled programs and packed
// weights.  `lathe cache` treats them alike.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_CACHESECTIONS_H
#define LATHE_TOOLS_LATHE_CACHESECTIONS_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// One entry, for people.
struct CacheRow {
  std::string Key;
  int64_t Bytes = 0;
  int64_t Used = 0;   ///< When it was last used, in seconds of the epoch.
  std::string Model;  ///< From a file that is not trusted.
  std::string Detail; ///< What it was made for; may be empty.
  std::string Stale;  ///< Why no run will find it any more; empty when one may.
};

class CacheSection {
public:
  virtual ~CacheSection() = default;

  /// "programs", the section's key in JSON.
  virtual std::string_view name() const = 0;
  /// "3 programs".
  virtual std::string countText(size_t Count) const = 0;
  virtual std::string folder() const = 0;
  virtual int64_t mostBytes() const = 0;

  /// The most recently used first.
  virtual std::vector<CacheRow> rows() const = 0;
  /// Removes all entries, or the stale ones, and gives them.
  virtual std::vector<CacheRow> clear(bool StaleOnly) = 0;
  /// Reads every entry whole and removes the damaged ones, each with a warning;
  /// gives the number of sound ones.
  virtual int64_t verify(Diagnostics &Diags) = 0;
};

/// The sections that can be opened.  One that cannot is an error, as it is what
/// the command was asked for.
std::vector<std::unique_ptr<CacheSection>> openCacheSections(Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_CACHESECTIONS_H
