//===- DeviceObject.h - Kernels of a device as an object --------*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_DEVICEOBJECT_H
#define LATHE_COMPILER_DRIVER_DEVICEOBJECT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace lathe::compiler {

/// An object for this process, of data alone: the manifest, and what a driver loads, by
/// the names of abi.h.  So a program for a GPU goes every way that one for a CPU goes:
/// it is looked up, linked, cached, and carried by artefacts.
llvm::Expected<std::string> makeDeviceObject(llvm::StringRef manifest, llvm::StringRef image);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_DEVICEOBJECT_H
