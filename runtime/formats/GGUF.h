//===- GGUF.h - Reader of GGUF v3 files -------------------------*- C++ -*-===//
//
// Maps a GGUF file (ggml-org/ggml, docs/gguf.md) and reads its header and
// tensor table with checked arithmetic.  Nothing is copied but the table; all
// views point into the mapping and live as long as the GGUFFile.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_GGUF_H
#define LATHE_RUNTIME_FORMATS_GGUF_H

#include "runtime/formats/TensorFile.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

enum class GGUFValueType : uint32_t {
  U8 = 0,
  I8,
  U16,
  I16,
  U32,
  I32,
  F32,
  Bool,
  String,
  Array,
  U64,
  I64,
  F64,
};

/// One metadata entry; `Bytes` is its value in the mapping (array payload
/// without the element type and the count).
struct GGUFValue {
  std::string_view Key;
  GGUFValueType Type;
  GGUFValueType ElementType; ///< Arrays only.
  uint64_t Count;            ///< Arrays only.
  std::span<const uint8_t> Bytes;
};

/// GGUF stores the last dimension of `Shape` first.  `Bytes` is 0 when `Format` is
/// null.
struct GGUFTensor : FileTensor {
  uint32_t TypeNumber;
};

class GGUFFile final : public TensorFile {
public:
  /// Opens, maps and checks `Path`.  Every fault that can be told goes to
  /// `Diags`; null when there is an error.  Unsupported tensor types are left
  /// to the importer, which knows whether the tensor is needed.
  static std::unique_ptr<GGUFFile> open(const std::string &Path, Diagnostics &Diags);

  /// The same for bytes in memory (fuzzing, tests); `Name` is used in messages.
  static std::unique_ptr<GGUFFile> parse(std::span<const uint8_t> Bytes, std::string Name,
                                         Diagnostics &Diags);

  /// The same for a file of `FileBytes` of which only what stands before the tensor
  /// data is at hand: `data` must not be asked.  `Owner` keeps the bytes.
  static std::unique_ptr<GGUFFile> parseHeader(std::span<const uint8_t> Header, uint64_t FileBytes,
                                               std::string Name, std::shared_ptr<const void> Owner,
                                               Diagnostics &Diags);
  ~GGUFFile() override;

  const std::string &path() const override;
  /// All bytes that are at hand.
  std::span<const uint8_t> bytes() const;
  uint64_t fileBytes() const override;
  const FileIdentity *identity() const override;
  /// Header, metadata and tensor table.
  std::span<const uint8_t> headerBytes() const override;

  std::span<const GGUFTensor> tensors() const;
  size_t tensorCount() const override { return tensors().size(); }
  const GGUFTensor &tensor(size_t Index) const override { return tensors()[Index]; }
  const GGUFTensor *findTensor(std::string_view Name) const override;
  std::span<const uint8_t> data(const FileTensor &Tensor) const override;
  std::string typeName(const FileTensor &Tensor) const override;

  std::span<const GGUFValue> values() const;
  const GGUFValue *findValue(std::string_view Key) const;

  /// Typed getters: nullopt when the key is missing or has another type.  Any
  /// integer type converts when the value fits.
  std::optional<uint64_t> getUInt(std::string_view Key) const;
  std::optional<int64_t> getInt(std::string_view Key) const;
  std::optional<double> getFloat(std::string_view Key) const;
  std::optional<bool> getBool(std::string_view Key) const;
  std::optional<std::string_view> getString(std::string_view Key) const;
  /// Arrays; the elements of a string array are views into the mapping.
  std::optional<std::vector<std::string_view>> getStrings(std::string_view Key) const;
  std::optional<std::vector<float>> getFloats(std::string_view Key) const;
  std::optional<std::vector<int64_t>> getInts(std::string_view Key) const;
  std::optional<std::vector<bool>> getBools(std::string_view Key) const;

private:
  struct Impl;
  explicit GGUFFile(std::unique_ptr<Impl> State);
  std::unique_ptr<Impl> State;
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_GGUF_H
