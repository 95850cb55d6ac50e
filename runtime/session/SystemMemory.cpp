//===- SystemMemory.cpp - What the system can give ------------------------===//

#include "runtime/session/SystemMemory.h"

#include "runtime/support/CheckedMath.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string_view>

namespace lathe {

static constexpr uint64_t Unknown = std::numeric_limits<uint64_t>::max();

uint64_t readNumber(const std::string &Path, const std::string &Key) {
  std::ifstream File(Path);
  for (std::string Line; std::getline(File, Line);) {
    std::string_view Rest = Line;
    if (!Rest.starts_with(Key))
      continue;
    Rest.remove_prefix(Key.size());
    // "MemFree" is no "MemFreeable".
    size_t Digits = Rest.find_first_not_of(": \t");
    if (Digits == std::string_view::npos || (!Key.empty() && Digits == 0))
      continue;
    uint64_t Number = 0;
    const char *End = Rest.data() + Rest.size();
    if (std::from_chars(Rest.data() + Digits, End, Number).ec == std::errc())
      return Number;
  }
  return Unknown;
}

namespace {
/// Where a version of control groups keeps what it knows of memory.
struct GroupFiles {
  std::string_view Mount, Limit, Usage, DroppableKey;
};
} // namespace

static constexpr GroupFiles Version1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                        "memory.usage_in_bytes", "total_inactive_file"};
static constexpr GroupFiles Version2[] = {
    {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
    {"/sys/fs/cgroup/unified", "memory.max", "memory.current", "inactive_file"}};

/// What the group in `Folder` leaves; Unknown when it has no limit.
static uint64_t groupLeaves(const std::string &Folder, const GroupFiles &Files) {
  uint64_t Limit = readNumber(Folder + "/" + std::string(Files.Limit), "");
  uint64_t Usage = readNumber(Folder + "/" + std::string(Files.Usage), "");
  // Version 1 writes a limit of nearly 2^63 where there is none.
  if (Limit >= uint64_t(1) << 62 || Usage == Unknown)
    return Unknown;
  uint64_t Droppable = readNumber(Folder + "/memory.stat", std::string(Files.DroppableKey));
  Usage -= std::min(Usage, Droppable == Unknown ? 0 : Droppable);
  return Limit - std::min(Limit, Usage);
}

/// Lowers `Least` to what the group `Path` and those above it leave.  In a
/// container the path can be one of the host, of which only the root is seen.
static void addGroups(const std::string &Root, std::string Path, const GroupFiles &Files,
                      AvailableMemory &Least) {
  while (true) {
    uint64_t Leaves = groupLeaves(Root + std::string(Files.Mount) + Path, Files);
    if (Leaves < Least.Bytes)
      Least = {Leaves, "what the control group " + quoted(Path.empty() ? "/" : Path) + " leaves"};
    if (Path.empty())
      return;
    Path.resize(Path.rfind('/') == std::string::npos ? 0 : Path.rfind('/'));
  }
}

/// Whether the list of controllers, with commas between, names memory.
static bool hasMemory(std::string_view Controllers) {
  while (!Controllers.empty()) {
    std::string_view First = Controllers.substr(0, Controllers.find(','));
    if (First == "memory")
      return true;
    Controllers.remove_prefix(std::min(First.size() + 1, Controllers.size()));
  }
  return false;
}

AvailableMemory availableMemory(const std::string &Root) {
  uint64_t Kilobytes = readNumber(Root + "/proc/meminfo", "MemAvailable");
  AvailableMemory Least = {checkedMul(Kilobytes, 1024).value_or(Unknown),
                           "what the system has available"};
  // Lines "hierarchy:controllers:path"; version 2 is hierarchy 0.
  std::ifstream File(Root + "/proc/self/cgroup");
  for (std::string Line; std::getline(File, Line);) {
    size_t First = Line.find(':'), Second = Line.find(':', First + 1);
    if (First == std::string::npos || Second == std::string::npos)
      continue;
    std::string Path = Line.substr(Second + 1);
    if (Path == "/")
      Path.clear();
    if (hasMemory(std::string_view(Line).substr(First + 1, Second - First - 1)))
      addGroups(Root, Path, Version1, Least);
    if (Line.starts_with("0::"))
      for (const GroupFiles &Files : Version2)
        addGroups(Root, Path, Files, Least);
  }
  return Least;
}

} // namespace lathe
