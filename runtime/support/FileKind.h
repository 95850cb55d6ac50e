//===- FileKind.h - Names for what a path may be ----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_FILEKIND_H
#define LATHE_RUNTIME_SUPPORT_FILEKIND_H

#include <string_view>
#include <sys/stat.h>

namespace lathe {

/// "directory", "pipe", ... for the st_mode of something that is no regular
/// file.
inline std::string_view fileKindName(mode_t Mode) {
  switch (Mode & S_IFMT) {
  case S_IFDIR:
    return "directory";
  case S_IFIFO:
    return "pipe";
  case S_IFSOCK:
    return "socket";
  case S_IFCHR:
    return "character device";
  case S_IFBLK:
    return "block device";
  default:
    return "special file";
  }
}

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_FILEKIND_H
