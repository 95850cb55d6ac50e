//===- TensorFile.cpp - A file that holds tensors ---------------*- C++ -*-===//

#include "runtime/formats/TensorFile.h"

#include "runtime/formats/GGUF.h"

namespace lathe {

static std::vector<TensorFileFormat> &registry() {
  static std::vector<TensorFileFormat> Formats;
  return Formats;
}

TensorFileRegistration::TensorFileRegistration(TensorFileFormat Format) {
  registry().push_back(Format);
}

const TensorFileFormat *findTensorFileFormat(std::span<const uint8_t> Bytes,
                                             std::string_view Path) {
  for (const TensorFileFormat &Format : registry())
    if (Format.Matches(Bytes, Path))
      return &Format;
  return nullptr;
}

std::unique_ptr<TensorFile> TensorFile::open(const std::string &Path, Diagnostics &Diags) {
  std::unique_ptr<MappedFile> File = MappedFile::open(Path, Diags);
  if (!File)
    return nullptr;
  if (const TensorFileFormat *Format = findTensorFileFormat(File->bytes(), Path))
    return Format->Open(std::move(File), Diags);
  return GGUFFile::open(Path, Diags);
}

} // namespace lathe
