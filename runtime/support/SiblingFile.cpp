//===- SiblingFile.cpp - Files that are installed with us -----------------===//

#include "runtime/support/SiblingFile.h"

#include <cstdlib>
#include <memory>
#include <vector>

#include <dlfcn.h>
#include <sys/stat.h>

namespace lathe {

/// Folder of the file that `Path` leads to, or empty.
static std::string realFolder(const char *Path) {
  std::unique_ptr<char, decltype(&free)> Real(realpath(Path, nullptr), &free);
  if (!Real)
    return {};
  std::string Text = Real.get();
  return Text.substr(0, Text.rfind('/'));
}

static bool isFile(const std::string &Path) {
  struct stat Status;
  return stat(Path.c_str(), &Status) == 0 && S_ISREG(Status.st_mode);
}

std::string findSiblingFile(const std::string &Name, const char *Variable) {
  if (const char *Asked = getenv(Variable); Asked && *Asked)
    return isFile(Asked) ? Asked : "";
  // The runtime may be part of a program or of a shared library; a program's
  // own name, as the loader knows it, can be relative to a folder long left.
  std::vector<std::string> Folders;
  Dl_info Info;
  if (dladdr(reinterpret_cast<void *>(&findSiblingFile), &Info) && Info.dli_fname &&
      Info.dli_fname[0] == '/')
    Folders.push_back(realFolder(Info.dli_fname));
  Folders.push_back(realFolder("/proc/self/exe"));
  for (const std::string &Folder : Folders)
    for (const char *Way : {"/../lib/", "/"})
      if (std::string Path = Folder + Way + Name; isFile(Path))
        return Path;
  return {};
}

} // namespace lathe
