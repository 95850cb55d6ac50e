//===- TensorFile.h - A file that holds tensors -----------------*- C++ -*-===//
//
// What all formats of weights have in common.  A format registers itself from its
// own file and is found by a file's first bytes or by its name.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_TENSORFILE_H
#define LATHE_RUNTIME_FORMATS_TENSORFILE_H

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedFile.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// A tensor of a file; views live as long as the file's object.
struct FileTensor {
  std::string_view Name;
  std::vector<int64_t> Shape; ///< Outermost first: [N, K] for a matrix.
  const BlockFormat *Format;  ///< Null when the element type is known but not supported.
  uint64_t Offset;            ///< From the start of the file.
  uint64_t Bytes;
};

class TensorFile {
public:
  virtual ~TensorFile() = default;

  /// Opens a file of whichever format it is: that of findTensorFileFormat, else
  /// GGUF, which says what is wrong.  Null on error.
  static std::unique_ptr<TensorFile> open(const std::string &Path, Diagnostics &Diags);

  virtual const std::string &path() const = 0;
  /// Size of the whole file.
  virtual uint64_t fileBytes() const = 0;
  /// The file on the disk; null for bytes in memory.
  virtual const FileIdentity *identity() const = 0;
  /// Everything before the tensor data.
  virtual std::span<const uint8_t> headerBytes() const = 0;

  virtual size_t tensorCount() const = 0;
  virtual const FileTensor &tensor(size_t Index) const = 0;
  virtual const FileTensor *findTensor(std::string_view Name) const = 0;
  virtual std::span<const uint8_t> data(const FileTensor &Tensor) const = 0;
  /// The element type as people call it: "q4_1", "f32", or what the format's
  /// specification calls one that is not supported.
  virtual std::string typeName(const FileTensor &Tensor) const = 0;
};

struct TensorFileFormat {
  /// Whether a file of these bytes, of that name, is to be read as this format.
  bool (*Matches)(std::span<const uint8_t> Bytes, std::string_view Path);
  std::unique_ptr<TensorFile> (*Open)(std::unique_ptr<MappedFile> File, Diagnostics &Diags);
};

/// The registered format of a file, or null: GGUF, which is no such format, or none.
const TensorFileFormat *findTensorFileFormat(std::span<const uint8_t> Bytes, std::string_view Path);

/// A static object of this type registers a format.
struct TensorFileRegistration {
  explicit TensorFileRegistration(TensorFileFormat Format);
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_TENSORFILE_H
