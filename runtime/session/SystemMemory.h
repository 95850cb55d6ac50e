//===- SystemMemory.h - What the system can give ----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SESSION_SYSTEMMEMORY_H
#define LATHE_RUNTIME_SESSION_SYSTEMMEMORY_H

#include <cstdint>
#include <string>

namespace lathe {

/// Physical memory that this process can still get.
struct AvailableMemory {
  uint64_t Bytes;     ///< UINT64_MAX: unknown.
  std::string Source; ///< Who sets the limit, for messages: "what the system has available".
};

/// The least of what the system has available (MemAvailable of proc(5)) and what
/// the control groups of this process, from its own up to the root, leave
/// (memory.max of version 2, memory.limit_in_bytes of version 1; see the kernel's
/// admin-guide/cgroup-v2 and cgroup-v1/memory).  Page cache that is easy to drop
/// counts as free.  Files are read below `Root`.
AvailableMemory availableMemory(const std::string &Root = "");

/// The number in the line of `Path` that begins with `Key` and a blank or colon,
/// or the whole of the file when `Key` is empty; UINT64_MAX when there is none.
uint64_t readNumber(const std::string &Path, const std::string &Key);

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_SYSTEMMEMORY_H
