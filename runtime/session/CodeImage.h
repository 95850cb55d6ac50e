//===- CodeImage.h - A shared object that lies in memory --------*- C++ -*-===//
//
// Code inside an artefact has no file of its own that the system's loader could
// open.  It is copied (some 100 KiB) into a file in memory (memfd_create(2)),
// which is sealed against every change before it is opened, so that what runs is
// what was checked.  The loader maps it as any library: no page of it is ever
// writable and executable.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_CODEIMAGE_H
#define LATHE_RUNTIME_SESSION_CODEIMAGE_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lathe {

class CodeImage {
public:
  /// Opens the ELF shared object `Bytes`, which are code and must be trusted.
  /// `Name` is used in messages.  Null on error: E0649 the system gives no such
  /// memory, E0606 the loader refuses the object.
  static std::unique_ptr<CodeImage> open(std::span<const uint8_t> Bytes, const std::string &Name,
                                         Diagnostics &Diags);
  ~CodeImage();
  CodeImage(const CodeImage &) = delete;
  CodeImage &operator=(const CodeImage &) = delete;

  /// Address of an exported symbol, or null.
  void *lookup(const char *Symbol) const;

private:
  explicit CodeImage(int File) : File(File) {}

  // The loader knows a library by the path it was opened with, which names this
  // descriptor: closed, its number could come to name another image.
  int File;
  void *Handle = nullptr;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_CODEIMAGE_H
