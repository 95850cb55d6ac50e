//===- NpyWriter.h - Writes arrays of float32 as .npy -----------*- C++ -*-===//
//
// The NumPy format, version 1.0 (numpy/lib/format.py): a magic string, the
// length of a padded header in Python's notation, then the values, little-endian
// and in C order.  They are written as they come, so that a whole matrix need not
// stand in memory.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_NPYWRITER_H
#define LATHE_TOOLS_LATHE_NPYWRITER_H

#include "tools/lathe/OutputFile.h"

namespace lathe::cli {

class NpyWriter {
public:
  /// `File` stays the caller's, who also finishes it.
  explicit NpyWriter(OutputFile &File) : File(File) {}

  /// The header of a [Rows, Columns] matrix, or of an array of any shape.
  bool begin(uint64_t Rows, uint64_t Columns, Diagnostics &Diags) {
    const int64_t Shape[] = {static_cast<int64_t>(Rows), static_cast<int64_t>(Columns)};
    return begin(Shape, Diags);
  }
  bool begin(std::span<const int64_t> Shape, Diagnostics &Diags);
  /// Any number of values; as many as the shape says in all.
  bool append(std::span<const float> Values, Diagnostics &Diags);

private:
  OutputFile &File;
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_NPYWRITER_H
