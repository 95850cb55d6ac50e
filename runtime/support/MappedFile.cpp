//===- MappedFile.cpp - A read-only file in memory ------------------------===//

#include "runtime/support/MappedFile.h"

#include "runtime/support/AtomicFile.h"
#include "runtime/support/FileKind.h"
#include "runtime/support/LiveList.h"
#include "runtime/support/Text.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe {
namespace {

struct GuardedRange {
  const uint8_t *Begin = nullptr;
  size_t Size = 0;
  std::string Path; ///< Shown as it is, hence without control characters.
};

/// Never destroyed: a fault may come while the process ends.
LiveList<GuardedRange> &guardedRanges() {
  static auto *List = new LiveList<GuardedRange>;
  return *List;
}

struct sigaction PreviousAction;

void writeToStderr(std::string_view Text) {
  while (!Text.empty()) {
    ssize_t Written = write(STDERR_FILENO, Text.data(), Text.size());
    if (Written <= 0)
      return;
    Text.remove_prefix(static_cast<size_t>(Written));
  }
}

[[noreturn]] void reportLostFile(std::string_view Path) {
  writeToStderr("error[E0206]: ");
  writeToStderr(Path);
  writeToStderr(": the file was truncated or its disk failed while it was in use\n"
                "  hint: do not overwrite a model in place; write a new file and rename it\n");
  AtomicFile::removeAllTemporaries();
  _exit(static_cast<int>(ExitCode::Resources));
}

void handleBusError(int Signal, siginfo_t *Info, void *Context) {
  auto *Address = static_cast<const uint8_t *>(Info->si_addr);
  guardedRanges().forEach([&](const GuardedRange &Range) {
    if (Address >= Range.Begin && Address < Range.Begin + Range.Size)
      reportLostFile(Range.Path);
  });
  // Not ours.
  if (PreviousAction.sa_flags & SA_SIGINFO) {
    PreviousAction.sa_sigaction(Signal, Info, Context);
  } else if (PreviousAction.sa_handler != SIG_DFL && PreviousAction.sa_handler != SIG_IGN) {
    PreviousAction.sa_handler(Signal);
  } else {
    // Delivered with its default effect as soon as this handler returns.
    signal(Signal, SIG_DFL);
    raise(Signal);
  }
}

void installBusErrorHandler() {
  static std::once_flag Once;
  std::call_once(Once, [] {
    guardedRanges();
    struct sigaction Action = {};
    Action.sa_sigaction = handleBusError;
    Action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&Action.sa_mask);
    sigaction(SIGBUS, &Action, &PreviousAction);
  });
}

void reportOpenFailure(const std::string &Path, int Errno, Diagnostics &Diags) {
  std::string Reason = describeErrno(Errno);
  switch (Errno) {
  case ENOENT:
  case ENOTDIR:
  case ENAMETOOLONG:
  case ELOOP:
    return Diags.error(201, Path, Reason, "check the path");
  case ENXIO: // A socket.
    return Diags.error(202, Path, "is a socket, expected a regular file");
  case EACCES:
  case EPERM:
    return Diags.error(203, Path, Reason, "check the permissions of the file and its folder");
  default:
    return Diags.error(205, Path, "cannot be opened: " + Reason);
  }
}

int64_t nanoseconds(const timespec &Time) {
  constexpr int64_t Second = 1'000'000'000;
  return int64_t(Time.tv_sec) * Second + Time.tv_nsec;
}

FileIdentity identityOf(const struct stat &Status) {
  return {Status.st_dev, Status.st_ino, static_cast<uint64_t>(Status.st_size),
          nanoseconds(Status.st_mtim), nanoseconds(Status.st_ctim)};
}

/// The regular, non-empty file behind `File`; all zeros after an error.
FileIdentity regularFile(int File, const std::string &Path, Diagnostics &Diags) {
  struct stat Status;
  if (fstat(File, &Status) != 0) {
    Diags.error(205, Path, "cannot be examined: " + describeErrno(errno));
    return {};
  }
  if (!S_ISREG(Status.st_mode)) {
    Diags.error(202, Path,
                "is a " + std::string(fileKindName(Status.st_mode)) + ", expected a regular file",
                S_ISDIR(Status.st_mode) ? "name a file inside the folder" : "");
    return {};
  }
  if (Status.st_size == 0)
    Diags.error(204, Path, "the file is empty", "was it downloaded completely?");
  return identityOf(Status);
}

} // namespace

FileIdentity FileIdentity::of(const std::string &Path) {
  struct stat Status;
  return stat(Path.c_str(), &Status) == 0 ? identityOf(Status) : FileIdentity();
}

std::unique_ptr<MappedFile> MappedFile::open(const std::string &Path, Diagnostics &Diags) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  int File = ::open(Path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (File < 0) {
    reportOpenFailure(Path, errno, Diags);
    return nullptr;
  }
  FileIdentity Identity = regularFile(File, Path, Diags);
  size_t Size = Identity.Bytes;
  if (Size == 0) {
    close(File);
    return nullptr;
  }
  void *Address = mmap(nullptr, Size, PROT_READ, MAP_SHARED, File, 0);
  int Errno = errno;
  close(File);
  if (Address == MAP_FAILED) {
    Diags.error(205, Path,
                "mmap of " + std::to_string(Size) + " bytes failed: " + describeErrno(Errno));
    return nullptr;
  }
  installBusErrorHandler();
  return std::unique_ptr<MappedFile>(
      new MappedFile(Path, {static_cast<const uint8_t *>(Address), Size}, Identity));
}

MappedFile::MappedFile(std::string Name, std::span<const uint8_t> Mapping,
                       const FileIdentity &Opened)
    : Path(std::move(Name)), Bytes(Mapping), Identity(Opened),
      GuardEntry(guardedRanges().add({Bytes.data(), Bytes.size(), escapeControls(Path)})) {}

MappedFile::~MappedFile() {
  guardedRanges().remove(static_cast<LiveList<GuardedRange>::Node *>(GuardEntry));
  munmap(const_cast<uint8_t *>(Bytes.data()), Bytes.size());
}

} // namespace lathe
