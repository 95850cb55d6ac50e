//===- LibraryHeader.h - The C header of a model's library ------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_OUTPUTS_LIBRARYHEADER_H
#define LATHE_TOOLS_LATHE_OUTPUTS_LIBRARYHEADER_H

#include "runtime/session/Packaging.h"

#include <string>

namespace lathe::cli {

struct LibraryNames {
  std::string File;  ///< Of the library, without its folder.
  std::string Entry; ///< The function that it exports.
};

/// C99 and C++: lathe.h as a whole, what the model is, and the library's function.
/// The same library and package give the same text.
std::string libraryHeader(const LibraryNames &Names, const Package &Made);

/// False, with E0215, when `Path` is a file that `libraryHeader` did not make: it
/// would be lost.
bool checkHeaderPlace(const std::string &Path, Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_OUTPUTS_LIBRARYHEADER_H
