//===- NpyReader.h - Reads arrays of float32 from .npy ----------*- C++ -*-===//
//
// The NumPy format, versions 1 to 3 (numpy/lib/format.py): a magic string, the
// length of a header in Python's notation, then the values.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_NPYREADER_H
#define LATHE_TOOLS_LATHE_NPYREADER_H

#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedFile.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe::cli {

/// An array in a mapped file.
struct NpyArray {
  std::unique_ptr<MappedFile> File;
  std::vector<int64_t> Shape;
  std::vector<float> Copy; ///< Of values that do not begin at a multiple of four bytes.
  const float *Data = nullptr;
};

/// Nullopt on error: those of MappedFile::open, E0208 a file that is no such array,
/// E0209 another element type or order.
std::optional<NpyArray> readNpy(const std::string &Path, Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_NPYREADER_H
