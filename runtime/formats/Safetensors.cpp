//===- Safetensors.cpp - Reader of safetensors files ----------------------===//

#include "runtime/formats/Safetensors.h"

#include "runtime/formats/SafetensorsParser.h"
#include "runtime/formats/SortedNames.h"

#include <cstring>
#include <utility>

namespace lathe {

struct SafetensorsFile::Impl {
  std::string Path;
  std::unique_ptr<MappedFile> Mapping; ///< Null for bytes in memory.
  std::shared_ptr<const void> Owner;   ///< Of a header alone.
  std::span<const uint8_t> Bytes;
  uint64_t FileBytes = 0;
  SafetensorsContents Contents;
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<Impl> Checked) : State(std::move(Checked)) {}
SafetensorsFile::~SafetensorsFile() = default;

std::unique_ptr<SafetensorsFile> SafetensorsFile::open(const std::string &Path,
                                                       Diagnostics &Diags) {
  std::unique_ptr<MappedFile> File = MappedFile::open(Path, Diags);
  return File ? open(std::move(File), Diags) : nullptr;
}

std::unique_ptr<SafetensorsFile> SafetensorsFile::open(std::unique_ptr<MappedFile> File,
                                                       Diagnostics &Diags) {
  std::unique_ptr<SafetensorsFile> Result = parse(File->bytes(), File->path(), Diags);
  if (Result)
    Result->State->Mapping = std::move(File);
  return Result;
}

std::unique_ptr<SafetensorsFile> SafetensorsFile::parse(std::span<const uint8_t> Bytes,
                                                        std::string Name, Diagnostics &Diags) {
  return parseHeader(Bytes, Bytes.size(), std::move(Name), nullptr, Diags);
}

std::unique_ptr<SafetensorsFile> SafetensorsFile::parseHeader(std::span<const uint8_t> Header,
                                                              uint64_t FileBytes, std::string Name,
                                                              std::shared_ptr<const void> Owner,
                                                              Diagnostics &Diags) {
  auto State = std::make_unique<Impl>();
  State->Path = std::move(Name);
  State->Owner = std::move(Owner);
  State->Bytes = Header;
  State->FileBytes = FileBytes;
  if (!SafetensorsParser(Header, FileBytes, State->Path, Diags).parse(State->Contents))
    return nullptr;
  return std::unique_ptr<SafetensorsFile>(new SafetensorsFile(std::move(State)));
}

const std::string &SafetensorsFile::path() const { return State->Path; }
uint64_t SafetensorsFile::fileBytes() const { return State->FileBytes; }
const FileIdentity *SafetensorsFile::identity() const {
  return State->Mapping ? &State->Mapping->identity() : nullptr;
}
std::span<const uint8_t> SafetensorsFile::headerBytes() const {
  return State->Bytes.first(State->Contents.HeaderBytes);
}

std::span<const SafetensorsTensor> SafetensorsFile::tensors() const {
  return State->Contents.Tensors;
}

const SafetensorsTensor *SafetensorsFile::findTensor(std::string_view Name) const {
  const std::vector<SafetensorsTensor> &Tensors = State->Contents.Tensors;
  std::optional<uint32_t> Found =
      findName(State->Contents.TensorsByName, [&](uint32_t I) { return Tensors[I].Name; }, Name);
  return Found ? &Tensors[*Found] : nullptr;
}

std::span<const uint8_t> SafetensorsFile::data(const FileTensor &Tensor) const {
  return State->Bytes.subspan(Tensor.Offset, Tensor.Bytes);
}

std::string SafetensorsFile::typeName(const FileTensor &Tensor) const {
  std::string_view Type = static_cast<const SafetensorsTensor &>(Tensor).Type;
  return std::string(Tensor.Format ? Tensor.Format->Name : Type);
}

const std::string *SafetensorsFile::findMetadata(std::string_view Key) const {
  auto Found = State->Contents.Metadata.find(Key);
  return Found == State->Contents.Metadata.end() ? nullptr : &Found->second;
}

/// A header begins with a brace by the format's rule, whatever the file's name is.
static bool matches(std::span<const uint8_t> Bytes, std::string_view Path) {
  constexpr size_t HeaderStart = 8;
  if (Path.ends_with(".safetensors"))
    return true;
  return Bytes.size() > HeaderStart && Bytes[HeaderStart] == '{' &&
         std::memcmp(Bytes.data(), "GGUF", 4) != 0;
}

static std::unique_ptr<TensorFile> openFile(std::unique_ptr<MappedFile> File, Diagnostics &Diags) {
  return SafetensorsFile::open(std::move(File), Diags);
}

static const TensorFileRegistration Registered({matches, openFile});

} // namespace lathe
