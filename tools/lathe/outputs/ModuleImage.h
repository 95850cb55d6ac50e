//===- ModuleImage.h - Names inside a shared library ------------*- C++ -*-===//
//
// liblathe-module.so is linked once, with names that hold the place of others:
// those of the library (DT_SONAME) and of the one function that it exports.  Every
// model's library is a copy with its own, so that one program can be linked with
// several.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_OUTPUTS_MODULEIMAGE_H
#define LATHE_TOOLS_LATHE_OUTPUTS_MODULEIMAGE_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// The longest name of an entry.
inline constexpr size_t MaxEntryName = 63;

/// Gives the ELF shared object `Bytes` its names; `Path` is for messages.  False,
/// with E0616, when it is not one that was made for that.
bool nameModule(std::vector<uint8_t> &Bytes, std::string_view File, std::string_view Entry,
                const std::string &Path, Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_OUTPUTS_MODULEIMAGE_H
