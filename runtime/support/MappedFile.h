//===- MappedFile.h - A read-only file in memory ----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_MAPPEDFILE_H
#define LATHE_RUNTIME_SUPPORT_MAPPEDFILE_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lathe {

/// Which bytes a file held when it was opened, as far as its owner's system tells:
/// every ordinary way to change them changes one of these.
struct FileIdentity {
  uint64_t Device = 0, Inode = 0, Bytes = 0;
  int64_t ModifiedNanoseconds = 0; ///< Since the epoch; programs may set it.
  int64_t ChangedNanoseconds = 0;  ///< Since the epoch; the system alone sets it.

  bool operator==(const FileIdentity &) const = default;

  /// What stands at `Path` now; all zeros when nothing can be seen there.
  static FileIdentity of(const std::string &Path);
};

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
  const FileIdentity &identity() const { return Identity; }

private:
  MappedFile(std::string Path, std::span<const uint8_t> Bytes, const FileIdentity &Identity);

  std::string Path;
  std::span<const uint8_t> Bytes;
  FileIdentity Identity;
  void *GuardEntry;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_MAPPEDFILE_H
