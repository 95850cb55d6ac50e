//===- AtomicFile.h - All of a file, or nothing -----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_ATOMICFILE_H
#define LATHE_RUNTIME_SUPPORT_ATOMICFILE_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

/// False, with E0109, when a file written to `Output` would replace `Input`.
bool checkNotInput(const std::string &Output, const std::string &Input, Diagnostics &Diags);

/// Writes a file aside, in the folder of the result, and renames it at the
/// end, so that readers see the old file or the whole new one.  Without a
/// successful `commit` the temporary file is removed by the destructor.
///
/// A symbolic link in the result's place is replaced, not followed.
class AtomicFile {
public:
  /// Null, with an error (211, 214), when the result's folder cannot be
  /// written or something that is no regular file is in its place.  `Mode` is
  /// subject to the umask.
  static std::unique_ptr<AtomicFile> create(const std::string &Path, Diagnostics &Diags,
                                            unsigned Mode = 0666);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  /// Appends; false after an error (212), which is told once.
  bool write(std::span<const uint8_t> Bytes, Diagnostics &Diags);
  bool write(std::string_view Text, Diagnostics &Diags);

  /// Where the bytes are until `commit`: for other programs, such as a linker,
  /// that write the file by name.
  const std::string &temporaryPath() const { return Temporary; }

  /// Flushes to the disk and renames; false after an error (212, 213).
  bool commit(Diagnostics &Diags);

  /// Removes the temporary files of all live objects.  Async-signal-safe: for
  /// handlers that end the process.
  static void removeAllTemporaries();

private:
  AtomicFile(std::string Path, std::string Temporary, int File);
  bool flush(Diagnostics &Diags) const;
  void removeTemporary();

  std::string Path;
  std::string Temporary; ///< Empty once it is renamed or removed.
  int File;
  uint64_t Written = 0;
  bool Failed = false;
  void *LiveEntry;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_ATOMICFILE_H
