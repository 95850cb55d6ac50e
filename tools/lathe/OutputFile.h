//===- OutputFile.h - What -o names -----------------------------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_OUTPUTFILE_H
#define LATHE_TOOLS_LATHE_OUTPUTFILE_H

#include "tools/lathe/Signals.h"
#include "tools/lathe/Terminal.h"

#include "runtime/support/AtomicFile.h"

#include <memory>
#include <span>
#include <string>

namespace lathe::cli {

/// The file that -o names, whole or absent, or standard output for "-".
class OutputFile {
public:
  /// Opens `Path` for writing.  Null on error: all of AtomicFile::create, and
  /// E0109 when it is the same file as `Input`.
  /// `Mode` is that of AtomicFile::create.
  static std::unique_ptr<OutputFile> open(const std::string &Path, const std::string &Input,
                                          Terminal &Term, Diagnostics &Diags, unsigned Mode = 0666);

  /// False after an error, or when the reader of standard output has gone.
  bool write(std::span<const uint8_t> Bytes, Diagnostics &Diags);
  /// The file to write to, for writers that take a name; null for "-".
  const std::string *temporaryPath() const { return File ? &File->temporaryPath() : nullptr; }
  /// Makes the file appear under its name, unless a signal came before.
  bool finish(Diagnostics &Diags) { return !File || (!interrupted() && File->commit(Diags)); }

private:
  OutputFile(std::unique_ptr<AtomicFile> File, Terminal &Term)
      : File(std::move(File)), Term(Term) {}

  std::unique_ptr<AtomicFile> File; ///< Null for "-".
  Terminal &Term;
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_OUTPUTFILE_H
