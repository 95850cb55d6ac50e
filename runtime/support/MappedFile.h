//===- MappedFile.h - A read-only file in memory ----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_MAPPEDFILE_H
#define LATHE_RUNTIME_SUPPORT_MAPPEDFILE_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lathe {

/// Maps a regular file for reading.  The bytes stay valid as long as the
/// object; the file descriptor is closed after mapping.
///
/// If another program truncates the file, touching the lost pages raises
/// SIGBUS.  The first `open` therefore installs a process-wide handler that
/// prints error 206 and exits with ExitCode::Resources; a SIGBUS at any other
/// address goes to the handler that was there before.
class MappedFile {
public:
  /// Null, with an error (201 to 205), for what is missing, unreadable, empty
  /// or no regular file.  Never waits on a pipe.
  static std::unique_ptr<MappedFile> open(const std::string &Path, Diagnostics &Diags);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  const std::string &path() const { return Path; }
  std::span<const uint8_t> bytes() const { return Bytes; }

private:
  MappedFile(std::string Path, std::span<const uint8_t> Bytes);

  std::string Path;
  std::span<const uint8_t> Bytes;
  void *GuardEntry;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_MAPPEDFILE_H
