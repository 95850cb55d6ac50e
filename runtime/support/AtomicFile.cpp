//===- AtomicFile.cpp - All of a file, or nothing -------------------------===//

#include "runtime/support/AtomicFile.h"

#include "runtime/support/FileKind.h"
#include "runtime/support/LiveList.h"
#include "runtime/support/Text.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace lathe {
namespace {

/// Never destroyed: a signal may come while the process ends.
LiveList<std::string> &liveTemporaries() {
  static auto *List = new LiveList<std::string>;
  return *List;
}

std::string folderOf(const std::string &Path) {
  size_t Slash = Path.rfind('/');
  if (Slash == std::string::npos)
    return ".";
  return Slash == 0 ? "/" : Path.substr(0, Slash);
}

/// Opens a fresh file in `Folder`; -1 with errno set when that fails.
int createUnique(const std::string &Folder, unsigned Mode, std::string &Name) {
  static std::atomic<unsigned> Counter = 0;
  // Names collide only with leftovers of an earlier process of the same number.
  for (int Attempt = 0; Attempt < 100; ++Attempt) {
    Name =
        Folder + "/.lathe-" + std::to_string(getpid()) + "-" + std::to_string(Counter++) + ".tmp";
    int File = open(Name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, Mode);
    if (File >= 0 || errno != EEXIST)
      return File;
  }
  return -1;
}

} // namespace

bool checkNotInput(const std::string &Output, const std::string &Input, Diagnostics &Diags) {
  struct stat First, Second;
  if (stat(Output.c_str(), &First) != 0 || stat(Input.c_str(), &Second) != 0 ||
      First.st_dev != Second.st_dev || First.st_ino != Second.st_ino)
    return true;
  Diags.error(109, Output, "found the input under the name of the output",
              "choose another name for the output");
  return false;
}

std::unique_ptr<AtomicFile> AtomicFile::create(const std::string &Path, Diagnostics &Diags,
                                               unsigned Mode) {
  struct stat Status;
  if (lstat(Path.c_str(), &Status) == 0 && !S_ISREG(Status.st_mode) && !S_ISLNK(Status.st_mode)) {
    Diags.error(214, Path,
                "is a " + std::string(fileKindName(Status.st_mode)) +
                    ", expected a regular file or a new name");
    return nullptr;
  }
  std::string Folder = folderOf(Path);
  std::string Temporary;
  int File = createUnique(Folder, Mode, Temporary);
  if (File < 0) {
    Diags.error(211, Path,
                "cannot create a file in " + quoted(Folder) + ": " + describeErrno(errno),
                "create the folder, or choose another");
    return nullptr;
  }
  return std::unique_ptr<AtomicFile>(new AtomicFile(Path, std::move(Temporary), File));
}

AtomicFile::AtomicFile(std::string Final, std::string Aside, int Descriptor)
    : Path(std::move(Final)), Temporary(std::move(Aside)), File(Descriptor),
      LiveEntry(liveTemporaries().add(Temporary)) {}

AtomicFile::~AtomicFile() {
  if (File >= 0)
    close(File);
  removeTemporary();
}

void AtomicFile::removeTemporary() {
  if (Temporary.empty())
    return;
  unlink(Temporary.c_str());
  liveTemporaries().remove(static_cast<LiveList<std::string>::Node *>(LiveEntry));
  Temporary.clear();
}

void AtomicFile::removeAllTemporaries() {
  liveTemporaries().forEach([](const std::string &Name) { unlink(Name.c_str()); });
}

bool AtomicFile::write(std::span<const uint8_t> Bytes, Diagnostics &Diags) {
  while (!Failed && !Bytes.empty()) {
    ssize_t Count = ::write(File, Bytes.data(), Bytes.size());
    if (Count < 0 && errno == EINTR)
      continue;
    if (Count < 0) {
      Failed = true;
      Diags.error(212, Path,
                  "write failed after " + std::to_string(Written) +
                      " bytes: " + describeErrno(errno),
                  "the old file, if any, is untouched");
      break;
    }
    Written += static_cast<uint64_t>(Count);
    Bytes = Bytes.subspan(static_cast<size_t>(Count));
  }
  return !Failed;
}

bool AtomicFile::write(std::string_view Text, Diagnostics &Diags) {
  return write(std::span(reinterpret_cast<const uint8_t *>(Text.data()), Text.size()), Diags);
}

bool AtomicFile::flush(Diagnostics &Diags) const {
  // By name: a linker may have put another file in the temporary's place.
  int Reopened = open(Temporary.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (Reopened >= 0 && fsync(Reopened) == 0) {
    close(Reopened);
    return true;
  }
  Diags.error(213, Path, "flushing the file failed: " + describeErrno(errno));
  if (Reopened >= 0)
    close(Reopened);
  return false;
}

bool AtomicFile::commit(Diagnostics &Diags) {
  // Some file systems tell a full disk only when the file is closed.
  if (!Failed && close(std::exchange(File, -1)) != 0) {
    Diags.error(212, Path, "write failed: " + describeErrno(errno));
    Failed = true;
  }
  if (Failed || !flush(Diags)) {
    removeTemporary();
    return false;
  }
  if (rename(Temporary.c_str(), Path.c_str()) != 0) {
    Diags.error(213, Path, "rename failed: " + describeErrno(errno));
    removeTemporary();
    return false;
  }
  liveTemporaries().remove(static_cast<LiveList<std::string>::Node *>(LiveEntry));
  Temporary.clear();
  // The rename itself survives a power cut only once the folder is flushed; the
  // file is whole either way, so a failure here is none of the caller's.
  int Folder = open(folderOf(Path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (Folder >= 0) {
    fsync(Folder);
    close(Folder);
  }
  return true;
}

} // namespace lathe
