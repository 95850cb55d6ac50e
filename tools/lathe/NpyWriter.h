//===- NpyWriter.h - Writes a matrix of float32 as .npy ---------*- C++ -*-===//
//
// The NumPy format, version 1.0 (numpy/lib/format.py): a magic string, the
// length of a padded header in Python's notation, then the rows, little-endian
// and in C order.  Rows are written as they come, so that the whole matrix
// never stands in memory.
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

  /// The header of a [Rows, Columns] matrix.
  bool begin(uint64_t Rows, uint64_t Columns, Diagnostics &Diags);
  /// Any number of values; rows times columns of them in all.
  bool append(std::span<const float> Values, Diagnostics &Diags);

private:
  OutputFile &File;
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_NPYWRITER_H
