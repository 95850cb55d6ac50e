//===- ProgramCache.cpp - Compiled programs of this user --------*- C++ -*-===//

#include "runtime/session/ProgramCache.h"

#include "lathe/abi.h"
#include "runtime/support/AtomicFile.h"
#include "runtime/support/CacheFolder.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/MappedFile.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe {

/// Raised when entries of an older layout must not be found any more.
static constexpr int CacheFormat = 2;

static std::string_view asText(std::span<const uint8_t> Bytes) {
  return {reinterpret_cast<const char *>(Bytes.data()), Bytes.size()};
}

/// What went wrong first, as one line for a warning.
static std::string firstMessage(const Diagnostics &Diags) {
  return Diags.all().empty() ? "unknown reason" : Diags.all().front().Message;
}

namespace {

/// Keeps writers away from an entry while it is checked and opened, and readers
/// while entries are put in place and removed.  Gives up after a second: a
/// stopped process must not stop others.
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

int64_t ProgramCache::defaultMaxBytes(Diagnostics &Diags) {
  const char *Asked = getenv("LATHE_CACHE_SIZE");
  if (!Asked || !*Asked)
    return DefaultMaxBytes;
  std::string_view Text = Asked;
  constexpr std::string_view Units = "KMG";
  size_t Unit = Units.find(Text.back());
  if (Unit != std::string_view::npos)
    Text.remove_suffix(1);
  uint64_t Number = 0;
  std::from_chars_result Read = std::from_chars(Text.data(), Text.data() + Text.size(), Number);
  std::optional<uint64_t> Bytes =
      checkedMul(Number, Unit == std::string_view::npos ? 1 : uint64_t(1) << (10 * (Unit + 1)));
  bool Whole = Read.ec == std::errc() && Read.ptr == Text.data() + Text.size();
  if (Whole && Bytes && *Bytes <= static_cast<uint64_t>(INT64_MAX))
    return static_cast<int64_t>(*Bytes);
  Diags.warning(623, "LATHE_CACHE_SIZE",
                "found " + quoted(Asked) + ", expected a number of bytes, or one with K, M or G",
                "the cache takes " + formatBytes(DefaultMaxBytes));
  return DefaultMaxBytes;
}

std::optional<ProgramCache> ProgramCache::open(const std::string &Folder, Diagnostics &Diags,
                                               int64_t MaxBytes) {
  if (!CacheFolder::open(Folder, ".so", Diags))
    return std::nullopt;
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
  Add(Parts.KVType);
  Add(std::to_string(Parts.MaxPrefillRows));
  Add(Parts.CompilerBuild);
  // A program for a named target is the same wherever it was compiled.
  Add(Parts.Target == "host" ? Parts.Host : "");
  if (!Parts.Passes.empty())
    Add(Parts.Passes);
  return hexHash(Text);
}

/// Why the entry must not be opened; empty when it is sound.
static std::string entryFault(const std::string &Path) {
  struct stat Status;
  if (lstat(Path.c_str(), &Status) != 0 || !S_ISREG(Status.st_mode))
    return "is not a regular file";
  if (Status.st_uid != geteuid() || (Status.st_mode & (S_IWGRP | S_IWOTH)))
    return "is not ours alone";
  Diagnostics Local;
  std::unique_ptr<MappedFile> Entry = MappedFile::open(Path, Local);
  if (!Entry)
    return "cannot be checked: " + firstMessage(Local);
  if (!cacheHashHolds(asText(Entry->bytes())))
    return "its hash differs from the one that was stored with it";
  return {};
}

std::shared_ptr<const Program> ProgramCache::find(const std::string &Key,
                                                  Diagnostics &Diags) const {
  std::string Library = path(Key);
  if (access(Library.c_str(), F_OK) != 0)
    return nullptr;
  FolderLock Lock(Folder, LOCK_SH);
  if (!Lock)
    return nullptr;
  if (std::string Fault = entryFault(Library); !Fault.empty()) {
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
  unlink(path(Key).c_str());
  Diags.warning(621, "cache " + path(Key), "discarded: " + Reason, "the model is compiled again");
}

/// Appends to the file that stands at `Path`: a linker may have made a new one
/// there.  False, with an error, when that failed.
static bool appendTo(const std::string &Path, std::string_view Text, Diagnostics &Diags) {
  int File = ::open(Path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  ssize_t Written = -1;
  if (File >= 0)
    Written = write(File, Text.data(), Text.size());
  int Reason = Written < 0 ? errno : ENOSPC;
  if (File >= 0)
    close(File);
  if (Written == static_cast<ssize_t>(Text.size()))
    return true;
  Diags.error(622, {}, "write failed: " + describeErrno(Reason));
  return false;
}

bool ProgramCache::store(const std::string &Key, const CacheNote &Note,
                         const std::function<bool(const std::string &Path)> &Write,
                         Diagnostics &Diags) const {
  Diagnostics Local;
  auto Stored = [&] {
    std::unique_ptr<AtomicFile> Entry = AtomicFile::create(path(Key), Local, 0600);
    if (!Entry)
      return false;
    if (!Write(Entry->temporaryPath())) {
      Local.error(622, {}, "the library could not be written");
      return false;
    }
    // A linker may have made a new file, with the permissions it likes.
    chmod(Entry->temporaryPath().c_str(), 0600);
    std::unique_ptr<MappedFile> Code = MappedFile::open(Entry->temporaryPath(), Local);
    if (!Code ||
        !appendTo(Entry->temporaryPath(), cacheTrailer(asText(Code->bytes()), Note), Local))
      return false;
    FolderLock Lock(Folder, LOCK_EX);
    if (!Lock) {
      Local.error(622, {}, "another process holds the lock of the folder");
      return false;
    }
    if (!Entry->commit(Local))
      return false;
    evict();
    return true;
  };
  if (Stored())
    return true;
  Diags.warning(622, "cache " + path(Key), "not stored: " + firstMessage(Local),
                "the run goes on without the cache");
  return false;
}

/// The key of an entry by its name, or empty: the folder may hold other things
/// that are dear to its owner.
static std::string_view keyOf(std::string_view Name) {
  constexpr size_t KeyDigits = 32;
  bool IsEntry = Name.size() == KeyDigits + 3 && Name.ends_with(".so") &&
                 Name.find_first_not_of("0123456789abcdef") == KeyDigits;
  return IsEntry ? Name.substr(0, KeyDigits) : std::string_view();
}

/// Calls `Visit` with the name and state of every regular file in `Folder`.
template <typename Visitor> static void forEachFile(const std::string &Folder, Visitor Visit) {
  DIR *Listing = opendir(Folder.c_str());
  if (!Listing)
    return;
  while (const dirent *Item = readdir(Listing)) {
    struct stat Status;
    if (fstatat(dirfd(Listing), Item->d_name, &Status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(Status.st_mode))
      Visit(std::string_view(Item->d_name), Status);
  }
  closedir(Listing);
}

/// Removes what killed writers, and the linkers they called, left behind at
/// least `Seconds` ago.
static void removeLeftovers(const std::string &Folder, time_t Seconds) {
  forEachFile(Folder, [&](std::string_view Name, const struct stat &Status) {
    // A clock that was set back makes files of the future.
    bool Old = std::abs(time(nullptr) - Status.st_mtime) >= Seconds;
    if (Old && Name.starts_with(".lathe-") && Name.find(".tmp") != std::string_view::npos)
      unlink((Folder + "/" + std::string(Name)).c_str());
  });
}

namespace {
struct FolderEntry {
  std::string Key;
  int64_t Bytes;
  timespec Used;
};
} // namespace

/// Least recently used first.
static std::vector<FolderEntry> listEntries(const std::string &Folder) {
  std::vector<FolderEntry> Entries;
  forEachFile(Folder, [&](std::string_view Name, const struct stat &Status) {
    if (std::string_view Key = keyOf(Name); !Key.empty())
      Entries.push_back({std::string(Key), Status.st_size, Status.st_mtim});
  });
  std::sort(Entries.begin(), Entries.end(), [](const auto &Left, const auto &Right) {
    return std::pair(Left.Used.tv_sec, Left.Used.tv_nsec) <
           std::pair(Right.Used.tv_sec, Right.Used.tv_nsec);
  });
  return Entries;
}

std::vector<CacheFile> ProgramCache::list() const {
  std::vector<CacheFile> Files;
  for (const FolderEntry &Each : listEntries(Folder)) {
    Diagnostics Ignored;
    std::unique_ptr<MappedFile> Entry = MappedFile::open(path(Each.Key), Ignored);
    Files.push_back({Each.Key, Each.Bytes, Each.Used.tv_sec,
                     Entry ? readCacheNote(asText(Entry->bytes())) : std::nullopt});
  }
  return Files;
}

std::vector<CacheFile>
ProgramCache::clear(const std::function<bool(const CacheFile &)> &Chosen) const {
  // A lock that cannot be had is no reason to keep what shall go.
  FolderLock Lock(Folder, LOCK_EX);
  std::vector<CacheFile> Files = list();
  std::erase_if(Files, [&](const CacheFile &Each) {
    return !Chosen(Each) || unlink(path(Each.Key).c_str()) != 0;
  });
  // Writers of today may still be at work.
  constexpr time_t Minute = 60;
  removeLeftovers(Folder, Minute);
  return Files;
}

int64_t ProgramCache::verify(Diagnostics &Diags) const {
  int64_t Sound = 0;
  FolderLock Lock(Folder, LOCK_EX);
  for (const FolderEntry &Each : listEntries(Folder)) {
    if (std::string Fault = entryFault(path(Each.Key)); !Fault.empty())
      discard(Each.Key, Fault, Diags);
    else
      ++Sound;
  }
  return Sound;
}

void ProgramCache::evict() const {
  constexpr time_t Hour = 3600;
  removeLeftovers(Folder, Hour);
  std::vector<FolderEntry> Entries = listEntries(Folder);
  int64_t Total = 0;
  for (const FolderEntry &Each : Entries)
    Total += Each.Bytes;
  for (const FolderEntry &Each : Entries) {
    if (Total <= MaxBytes)
      return;
    unlink(path(Each.Key).c_str());
    Total -= Each.Bytes;
  }
}

} // namespace lathe
