//===- Link.h - From an object to something callable ------------*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_LINK_H
#define LATHE_COMPILER_DRIVER_LINK_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace lathe::compiler {

/// An object linked into this process by ORC.  No page of it is ever writable
/// and executable at once.
class LoadedObject {
public:
  static llvm::Expected<std::unique_ptr<LoadedObject>> create(llvm::StringRef object);
  ~LoadedObject();

  /// Null when there is no such symbol.
  void *lookup(llvm::StringRef symbol);

private:
  struct Impl;
  explicit LoadedObject(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

/// Links the object into a shared library at `path` with lld.
llvm::Error linkLibrary(llvm::StringRef object, llvm::StringRef path);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_LINK_H
