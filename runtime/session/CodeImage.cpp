//===- CodeImage.cpp - A shared object that lies in memory ----------------===//

#include "runtime/session/CodeImage.h"

#include "runtime/support/Text.h"

#include <cerrno>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

// Linux 6.3; older headers lack it.
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace lathe {

/// A file in memory that may hold code, or -1.
static int createMemoryFile() {
  constexpr unsigned Flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int File = memfd_create("lathe-code", Flags | MFD_EXEC);
  // Kernels that do not know the flag need none.
  return File < 0 && errno == EINVAL ? memfd_create("lathe-code", Flags) : File;
}

/// Fills the file and seals it; false with errno.
static bool fill(int File, std::span<const uint8_t> Bytes) {
  while (!Bytes.empty()) {
    ssize_t Written = write(File, Bytes.data(), Bytes.size());
    if (Written < 0 && errno != EINTR)
      return false;
    if (Written > 0)
      Bytes = Bytes.subspan(static_cast<size_t>(Written));
  }
  return fcntl(File, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

std::unique_ptr<CodeImage> CodeImage::open(std::span<const uint8_t> Bytes, const std::string &Name,
                                           Diagnostics &Diags) {
  std::unique_ptr<CodeImage> Image(new CodeImage(createMemoryFile()));
  if (Image->File < 0 || !fill(Image->File, Bytes)) {
    Diags.error(649, Name,
                "found no memory file for " + std::to_string(Bytes.size()) +
                    " bytes of code: " + describeErrno(errno),
                "the system may forbid programs to run code from memory (vm.memfd_noexec)");
    return nullptr;
  }
  std::string Path = "/proc/self/fd/" + std::to_string(Image->File);
  Image->Handle = dlopen(Path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (Image->Handle)
    return Image;
  const char *Reason = dlerror();
  Diags.error(606, Name,
              std::string("its code cannot be opened as a shared library: ") +
                  (Reason ? Reason : "no reason given"));
  return nullptr;
}

CodeImage::~CodeImage() {
  if (Handle)
    dlclose(Handle);
  if (File >= 0)
    close(File);
}

void *CodeImage::lookup(const char *Symbol) const { return dlsym(Handle, Symbol); }

} // namespace lathe
