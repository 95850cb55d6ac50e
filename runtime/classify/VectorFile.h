//===- VectorFile.h - Vectors of texts, kept in a file ----------*- C++ -*-===//
//
// What an encoder makes of a text takes longest in a calibration, and is the same in the
// next one: with other labels, other parts or another target.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_VECTORFILE_H
#define LATHE_RUNTIME_CLASSIFY_VECTORFILE_H

#include "runtime/session/Encoder.h"
#include "runtime/support/MappedFile.h"

#include <string>
#include <unordered_map>
#include <vector>

namespace lathe {

/// A line that says what program made the vectors; then, for each text, its number of tokens
/// (u32), these (i32), and its vectors, f32 [depths][width].
class VectorFile {
public:
  /// Of this program, pooled by `Pool`.  A file that is not there is empty.  Nullopt on
  /// error: E0843 not such a file, E0844 one of another program, and those of MappedFile.
  static std::optional<VectorFile> open(const std::string &Path, const Encoder &Model, Pooling Pool,
                                        Diagnostics &Diags);

  /// Copies the text's vectors to `Into`; false where they are not known.
  bool find(const std::vector<int32_t> &Text, float *Into) const;
  void add(const std::vector<int32_t> &Text, const float *Vectors);
  /// Writes all of them, if any was added.  False on error, those of AtomicFile.
  bool save(Diagnostics &Diags) const;

private:
  VectorFile(std::string Path, std::string Header, size_t VectorBytes)
      : Path(std::move(Path)), Header(std::move(Header)), VectorBytes(VectorBytes) {}
  bool index(Diagnostics &Diags);
  std::span<const uint8_t> old() const;

  std::string Path, Header;
  size_t VectorBytes; ///< Of a text.
  std::unique_ptr<MappedFile> File;
  std::vector<uint8_t> Added;
  /// Where vectors of tokens are: from the start of what was there, Added behind it.
  std::unordered_map<std::string, size_t> Places;
};

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_VECTORFILE_H
