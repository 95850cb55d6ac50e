//===- CacheFolder.cpp - A folder that can be thrown away -----------------===//

#include "runtime/support/CacheFolder.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <cerrno>
#include <numeric>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe {

/// Makes `Folder` and its parents; the folders that are made are private.
static void makeFolders(const std::string &Folder) {
  for (size_t End = Folder.find('/', 1); End != std::string::npos; End = Folder.find('/', End + 1))
    mkdir(Folder.substr(0, End).c_str(), 0700);
  mkdir(Folder.c_str(), 0700);
}

/// Why nothing in `Folder` can be trusted; empty when it can.
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

std::optional<CacheFolder> CacheFolder::open(const std::string &Path, std::string_view Suffix,
                                             Diagnostics &Diags) {
  constexpr std::string_view Hint = "set LATHE_CACHE to a folder of your own";
  if (Path.empty()) {
    Diags.warning(620, "cache", "neither LATHE_CACHE, XDG_CACHE_HOME nor HOME names a folder",
                  std::string(Hint));
    return std::nullopt;
  }
  makeFolders(Path);
  if (std::string Fault = folderFault(Path); !Fault.empty()) {
    Diags.warning(620, "cache " + Path, Fault, std::string(Hint));
    return std::nullopt;
  }
  return CacheFolder(Path, Suffix);
}

bool CacheFolder::has(std::string_view Key) const {
  struct stat Status;
  return lstat(entryPath(Key).c_str(), &Status) == 0;
}

std::string CacheFolder::fault(std::string_view Key) const {
  struct stat Status;
  if (lstat(entryPath(Key).c_str(), &Status) != 0 || !S_ISREG(Status.st_mode))
    return "is not a regular file";
  if (Status.st_uid != geteuid() || (Status.st_mode & (S_IWGRP | S_IWOTH)))
    return "is not ours alone";
  return {};
}

void CacheFolder::markUsed(std::string_view Key) const {
  // The time of change is the time of last use.  A folder that is read-only keeps
  // the old one.
  utimensat(AT_FDCWD, entryPath(Key).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

void CacheFolder::remove(std::string_view Key) const { unlink(entryPath(Key).c_str()); }

std::vector<CacheFolder::Entry> CacheFolder::entries() const {
  constexpr int64_t Second = 1'000'000'000;
  std::vector<Entry> Found;
  DIR *Listing = opendir(Path.c_str());
  if (!Listing)
    return Found;
  while (const dirent *Item = readdir(Listing)) {
    std::string_view Name = Item->d_name;
    struct stat Status;
    if (Name.size() == KeyDigits + Suffix.size() && Name.ends_with(Suffix) &&
        Name.find_first_not_of("0123456789abcdef") == KeyDigits &&
        fstatat(dirfd(Listing), Item->d_name, &Status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(Status.st_mode))
      Found.push_back({std::string(Name.substr(0, KeyDigits)),
                       static_cast<uint64_t>(Status.st_size),
                       Status.st_mtim.tv_sec * Second + Status.st_mtim.tv_nsec});
  }
  closedir(Listing);
  std::sort(Found.begin(), Found.end(), [](const Entry &Left, const Entry &Right) {
    return std::pair(Left.UsedNanoseconds, Left.Key) < std::pair(Right.UsedNanoseconds, Right.Key);
  });
  return Found;
}

void CacheFolder::shrink(uint64_t MaxBytes) const {
  std::vector<Entry> Found = entries();
  uint64_t Total =
      std::accumulate(Found.begin(), Found.end(), uint64_t(0),
                      [](uint64_t Sum, const Entry &Each) { return Sum + Each.Bytes; });
  for (const Entry &Each : Found) {
    if (Total <= MaxBytes)
      return;
    remove(Each.Key);
    Total -= Each.Bytes;
  }
}

} // namespace lathe
