//===- ProgramCache.cpp - Compiled programs of this user --------*- C++ -*-===//

#include "runtime/session/ProgramCache.h"

#include "lathe/abi.h"
#include "runtime/support/AtomicFile.h"
#include "runtime/support/MappedFile.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lathe {

/// Raised when entries of an older layout must not be found any more.
static constexpr int CacheFormat = 1;

static std::string hexHash(std::string_view Bytes) {
  XXH128_hash_t Hash = XXH3_128bits(Bytes.data(), Bytes.size());
  XXH128_canonical_t Canonical;
  XXH128_canonicalFromHash(&Canonical, Hash);
  std::string Text;
  for (unsigned char Byte : Canonical.digest) {
    Text += "0123456789abcdef"[Byte >> 4];
    Text += "0123456789abcdef"[Byte & 15];
  }
  return Text;
}

static std::string_view asText(std::span<const uint8_t> Bytes) {
  return {reinterpret_cast<const char *>(Bytes.data()), Bytes.size()};
}

/// What went wrong first, as one line for a warning.
static std::string firstMessage(const Diagnostics &Diags) {
  return Diags.all().empty() ? "unknown reason" : Diags.all().front().Message;
}

namespace {

/// Keeps writers away from an entry while it is checked and opened, and readers
/// while its two files are put in place.  Gives up after a second: a stopped
/// process must not stop others.
class FolderLock {
public:
  FolderLock(const std::string &Folder, int Operation)
      : File(open(Folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    constexpr int MaxTries = 100;
    constexpr timespec Pause = {0, 10'000'000};
    for (int I = 0; File >= 0 && !Locked && I < MaxTries; ++I) {
      Locked = flock(File, Operation | LOCK_NB) == 0;
      if (!Locked && errno != EWOULDBLOCK && errno != EINTR)
        break;
      if (!Locked)
        nanosleep(&Pause, nullptr);
    }
  }
  FolderLock(const FolderLock &) = delete;
  FolderLock &operator=(const FolderLock &) = delete;
  ~FolderLock() {
    if (File >= 0)
      close(File);
  }
  explicit operator bool() const { return Locked; }

private:
  int File;
  bool Locked = false;
};

} // namespace

std::string ProgramCache::defaultFolder() {
  if (const char *Asked = getenv("LATHE_CACHE"); Asked && *Asked)
    return Asked;
  // The XDG base directory specification: relative paths are to be ignored.
  if (const char *Base = getenv("XDG_CACHE_HOME"); Base && *Base == '/')
    return std::string(Base) + "/lathe/programs";
  if (const char *Home = getenv("HOME"); Home && *Home == '/')
    return std::string(Home) + "/.cache/lathe/programs";
  return {};
}

/// Makes `Folder` and its parents; the folders that are made are private.
static void makeFolders(const std::string &Folder) {
  for (size_t End = Folder.find('/', 1); End != std::string::npos; End = Folder.find('/', End + 1))
    mkdir(Folder.substr(0, End).c_str(), 0700);
  mkdir(Folder.c_str(), 0700);
}

/// Why entries in `Folder` cannot be trusted or used; empty when they can.
static std::string folderFault(const std::string &Folder) {
  struct stat Status;
  if (stat(Folder.c_str(), &Status) != 0)
    return "cannot be made or read: " + describeErrno(errno);
  if (!S_ISDIR(Status.st_mode))
    return "is not a folder";
  if (Status.st_uid != geteuid())
    return "belongs to user " + std::to_string(Status.st_uid) + ", expected user " +
           std::to_string(geteuid());
  if (Status.st_mode & (S_IWGRP | S_IWOTH))
    return "other users may write it, expected permissions 0700";
  return {};
}

std::optional<ProgramCache> ProgramCache::open(const std::string &Folder, Diagnostics &Diags,
                                               int64_t MaxBytes) {
  if (Folder.empty()) {
    Diags.warning(620, "cache", "neither LATHE_CACHE, XDG_CACHE_HOME nor HOME names a folder",
                  "set LATHE_CACHE to a folder of your own");
    return std::nullopt;
  }
  makeFolders(Folder);
  if (std::string Fault = folderFault(Folder); !Fault.empty()) {
    Diags.warning(620, "cache " + Folder, Fault, "set LATHE_CACHE to a folder of your own");
    return std::nullopt;
  }
  return ProgramCache(Folder, MaxBytes);
}

std::string ProgramCache::key(const CacheKeyParts &Parts) {
  std::string Text;
  // Lengths keep neighbours apart: "a" "bc" is not "ab" "c".
  auto Add = [&](std::string_view Part) {
    Text += std::to_string(Part.size());
    Text += ':';
    Text += Part;
  };
  Add("cache " + std::to_string(CacheFormat) + " abi " + std::to_string(LATHE_ABI_VERSION));
  Add(hexHash(asText(Parts.ModelHeader)));
  Add(Parts.Target);
  Add(Parts.Precision);
  Add(std::to_string(Parts.MaxPrefillRows));
  Add(Parts.CompilerBuild);
  // A program for a named target is the same wherever it was compiled.
  Add(Parts.Target == "host" ? Parts.Host : "");
  return hexHash(Text);
}

/// Why the entry must not be opened; empty when it is sound.
static std::string entryFault(const std::string &Library, const std::string &Sum) {
  struct stat Status;
  if (lstat(Library.c_str(), &Status) != 0 || !S_ISREG(Status.st_mode))
    return "is not a regular file";
  if (Status.st_uid != geteuid() || (Status.st_mode & (S_IWGRP | S_IWOTH)))
    return "is not ours alone";
  Diagnostics Local;
  std::unique_ptr<MappedFile> Expected = MappedFile::open(Sum, Local);
  std::unique_ptr<MappedFile> Code = Expected ? MappedFile::open(Library, Local) : nullptr;
  if (!Code)
    return "cannot be checked: " + firstMessage(Local);
  if (asText(Expected->bytes()) != hexHash(asText(Code->bytes())) + "\n")
    return "its hash differs from the one that was stored with it";
  return {};
}

std::shared_ptr<const Program> ProgramCache::find(const std::string &Key,
                                                  Diagnostics &Diags) const {
  std::string Library = libraryPath(Key);
  if (access(Library.c_str(), F_OK) != 0)
    return nullptr;
  FolderLock Lock(Folder, LOCK_SH);
  if (!Lock)
    return nullptr;
  if (std::string Fault = entryFault(Library, sumPath(Key)); !Fault.empty()) {
    discard(Key, Fault, Diags);
    return nullptr;
  }
  Diagnostics Local;
  std::shared_ptr<const Program> Found = Program::openLibrary(Library, Local);
  if (!Found) {
    discard(Key, firstMessage(Local), Diags);
    return nullptr;
  }
  // The time of change is the time of last use: see evict.
  utimensat(AT_FDCWD, Library.c_str(), nullptr, 0);
  return Found;
}

void ProgramCache::discard(const std::string &Key, const std::string &Reason,
                           Diagnostics &Diags) const {
  unlink(libraryPath(Key).c_str());
  unlink(sumPath(Key).c_str());
  Diags.warning(621, "cache " + libraryPath(Key), "discarded: " + Reason,
                "the model is compiled again");
}

bool ProgramCache::store(const std::string &Key,
                         const std::function<bool(const std::string &Path)> &Write,
                         Diagnostics &Diags) const {
  Diagnostics Local;
  auto Stored = [&] {
    std::unique_ptr<AtomicFile> Library = AtomicFile::create(libraryPath(Key), Local, 0600);
    if (!Library)
      return false;
    if (!Write(Library->temporaryPath())) {
      Local.error(622, {}, "the library could not be written");
      return false;
    }
    // A linker may have made a new file, with the permissions it likes.
    chmod(Library->temporaryPath().c_str(), 0600);
    std::unique_ptr<MappedFile> Code = MappedFile::open(Library->temporaryPath(), Local);
    std::unique_ptr<AtomicFile> Sum =
        Code ? AtomicFile::create(sumPath(Key), Local, 0600) : nullptr;
    if (!Sum || !Sum->write(hexHash(asText(Code->bytes())) + "\n", Local))
      return false;
    FolderLock Lock(Folder, LOCK_EX);
    if (!Lock) {
      Local.error(622, {}, "another process holds the lock of the folder");
      return false;
    }
    if (!Library->commit(Local) || !Sum->commit(Local))
      return false;
    evict();
    return true;
  };
  if (Stored())
    return true;
  Diags.warning(622, "cache " + libraryPath(Key), "not stored: " + firstMessage(Local));
  return false;
}

namespace {
struct FolderEntry {
  std::string Path;
  int64_t Bytes;
  timespec Used;
};
} // namespace

/// Whether a file is an entry of ours: the folder may hold other things that are
/// dear to its owner.
static bool isLibraryName(std::string_view Name) {
  constexpr size_t KeyDigits = 32;
  return Name.size() == KeyDigits + 3 && Name.ends_with(".so") &&
         Name.find_first_not_of("0123456789abcdef") == KeyDigits;
}

/// The libraries in `Folder`, least recently used first.  Temporaries that a
/// killed process left behind are removed on the way.
static std::vector<FolderEntry> listLibraries(const std::string &Folder) {
  constexpr time_t LeftoverSeconds = 3600;
  std::vector<FolderEntry> Libraries;
  DIR *Listing = opendir(Folder.c_str());
  if (!Listing)
    return Libraries;
  while (const dirent *Item = readdir(Listing)) {
    std::string_view Name = Item->d_name;
    std::string Path = Folder + "/" + Item->d_name;
    struct stat Status;
    if (lstat(Path.c_str(), &Status) != 0 || !S_ISREG(Status.st_mode))
      continue;
    if (isLibraryName(Name))
      Libraries.push_back({Path, Status.st_size, Status.st_mtim});
    else if (Name.starts_with(".lathe-") && Name.ends_with(".tmp") &&
             time(nullptr) - Status.st_mtime > LeftoverSeconds)
      unlink(Path.c_str());
  }
  closedir(Listing);
  std::sort(Libraries.begin(), Libraries.end(), [](const auto &Left, const auto &Right) {
    return std::pair(Left.Used.tv_sec, Left.Used.tv_nsec) <
           std::pair(Right.Used.tv_sec, Right.Used.tv_nsec);
  });
  return Libraries;
}

void ProgramCache::evict() const {
  std::vector<FolderEntry> Libraries = listLibraries(Folder);
  int64_t Total = 0;
  for (const FolderEntry &Library : Libraries)
    Total += Library.Bytes;
  for (const FolderEntry &Library : Libraries) {
    if (Total <= MaxBytes)
      return;
    unlink(Library.Path.c_str());
    unlink((Library.Path.substr(0, Library.Path.size() - 3) + ".sum").c_str());
    Total -= Library.Bytes;
  }
}

} // namespace lathe
