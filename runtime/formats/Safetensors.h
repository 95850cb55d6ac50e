//===- Safetensors.h - Reader of safetensors files --------------*- C++ -*-===//
//
// Maps a safetensors file (huggingface/safetensors, README, "Format") and reads its
// header with checked arithmetic: eight bytes of length, a JSON object that gives
// each tensor its type, shape and place, then the tensors without a gap.
//
// Refused beyond what the format says: headers over 16 MiB and tensors of more
// than 8 dimensions (limits).  The data of a tensor need not be aligned.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_SAFETENSORS_H
#define LATHE_RUNTIME_FORMATS_SAFETENSORS_H

#include "runtime/formats/TensorFile.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

/// `Format` is null for types other than F32, F16 and BF16.
struct SafetensorsTensor : FileTensor {
  std::string_view Type; ///< As the header names it: "BF16".
};

class SafetensorsFile final : public TensorFile {
public:
  /// Maps and checks `Path`.  Every fault that can be told goes to `Diags`; null
  /// when there is an error: E0340 to E0348, and those of MappedFile::open.
  static std::unique_ptr<SafetensorsFile> open(const std::string &Path, Diagnostics &Diags);

  /// The same for a file that is mapped already.
  static std::unique_ptr<SafetensorsFile> open(std::unique_ptr<MappedFile> File,
                                               Diagnostics &Diags);

  /// The same for bytes in memory (fuzzing, tests); `Name` is used in messages.
  static std::unique_ptr<SafetensorsFile> parse(std::span<const uint8_t> Bytes, std::string Name,
                                                Diagnostics &Diags);

  /// The header alone of a file of `FileBytes`; `Owner` keeps its bytes.  There is no `data`.
  static std::unique_ptr<SafetensorsFile> parseHeader(std::span<const uint8_t> Header,
                                                      uint64_t FileBytes, std::string Name,
                                                      std::shared_ptr<const void> Owner,
                                                      Diagnostics &Diags);
  ~SafetensorsFile() override;

  const std::string &path() const override;
  uint64_t fileBytes() const override;
  const FileIdentity *identity() const override;
  std::span<const uint8_t> headerBytes() const override;

  /// In the order of their data.
  std::span<const SafetensorsTensor> tensors() const;
  size_t tensorCount() const override { return tensors().size(); }
  const SafetensorsTensor &tensor(size_t Index) const override { return tensors()[Index]; }
  const SafetensorsTensor *findTensor(std::string_view Name) const override;
  std::span<const uint8_t> data(const FileTensor &Tensor) const override;
  std::string typeName(const FileTensor &Tensor) const override;

  /// A text of '__metadata__', or null.
  const std::string *findMetadata(std::string_view Key) const;

private:
  struct Impl;
  explicit SafetensorsFile(std::unique_ptr<Impl> State);
  std::unique_ptr<Impl> State;
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_SAFETENSORS_H
