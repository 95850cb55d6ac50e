//===- GGUF.cpp - Reader of GGUF files ------------------------------------===//

#include "runtime/formats/GGUF.h"

#include "runtime/formats/GGUFParser.h"
#include "runtime/formats/SortedNames.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/MappedFile.h"

#include <utility>

namespace lathe {

struct GGUFFile::Impl {
  std::string Path;
  std::unique_ptr<MappedFile> Mapping; ///< Null for bytes in memory.
  std::shared_ptr<const void> Owner;   ///< Of bytes that belong to something larger.
  std::span<const uint8_t> Bytes;
  uint64_t FileBytes = 0;
  GGUFContents Contents;
};

namespace {

/// The number of an integer type at `Source`, null when it does not fit.
template <typename To> std::optional<To> toInteger(GGUFValueType Type, const uint8_t *Source) {
  switch (Type) {
  case GGUFValueType::U8:
    return narrow<To>(load<uint8_t>(Source));
  case GGUFValueType::I8:
    return narrow<To>(load<int8_t>(Source));
  case GGUFValueType::U16:
    return narrow<To>(load<uint16_t>(Source));
  case GGUFValueType::I16:
    return narrow<To>(load<int16_t>(Source));
  case GGUFValueType::U32:
    return narrow<To>(load<uint32_t>(Source));
  case GGUFValueType::I32:
    return narrow<To>(load<int32_t>(Source));
  case GGUFValueType::U64:
    return narrow<To>(load<uint64_t>(Source));
  case GGUFValueType::I64:
    return narrow<To>(load<int64_t>(Source));
  default:
    return std::nullopt;
  }
}

std::optional<double> toDouble(GGUFValueType Type, const uint8_t *Source) {
  if (Type == GGUFValueType::F32)
    return load<float>(Source);
  if (Type == GGUFValueType::F64)
    return load<double>(Source);
  return std::nullopt;
}

bool isNumber(GGUFValueType Type) {
  return ggufScalarBytes(Type) != 0 && Type != GGUFValueType::Bool;
}

/// The elements of an array of numbers, each through `Convert`; null as soon as
/// one does not convert.
template <typename To, typename Converter>
std::optional<std::vector<To>> convertArray(const GGUFValue *Value, Converter Convert) {
  if (!Value || Value->Type != GGUFValueType::Array || !isNumber(Value->ElementType))
    return std::nullopt;
  uint64_t Size = ggufScalarBytes(Value->ElementType);
  std::vector<To> Result;
  Result.reserve(Value->Count);
  for (uint64_t I = 0; I < Value->Count; ++I) {
    auto Number = Convert(Value->ElementType, Value->Bytes.data() + I * Size);
    if (!Number)
      return std::nullopt;
    Result.push_back(static_cast<To>(*Number));
  }
  return Result;
}

} // namespace

GGUFFile::GGUFFile(std::unique_ptr<Impl> Checked) : State(std::move(Checked)) {}
GGUFFile::~GGUFFile() = default;

std::unique_ptr<GGUFFile> GGUFFile::open(const std::string &Path, Diagnostics &Diags) {
  std::unique_ptr<MappedFile> Mapping = MappedFile::open(Path, Diags);
  if (!Mapping)
    return nullptr;
  std::unique_ptr<GGUFFile> File = parse(Mapping->bytes(), Path, Diags);
  if (File)
    File->State->Mapping = std::move(Mapping);
  return File;
}

std::unique_ptr<GGUFFile> GGUFFile::parse(std::span<const uint8_t> Bytes, std::string Name,
                                          Diagnostics &Diags) {
  return parseHeader(Bytes, Bytes.size(), std::move(Name), nullptr, Diags);
}

std::unique_ptr<GGUFFile> GGUFFile::parseHeader(std::span<const uint8_t> Header, uint64_t FileBytes,
                                                std::string Name, std::shared_ptr<const void> Owner,
                                                Diagnostics &Diags) {
  auto State = std::make_unique<Impl>();
  State->Path = std::move(Name);
  State->Owner = std::move(Owner);
  State->Bytes = Header;
  State->FileBytes = FileBytes;
  if (!GGUFParser(Header, FileBytes, State->Path, Diags).parse(State->Contents))
    return nullptr;
  return std::unique_ptr<GGUFFile>(new GGUFFile(std::move(State)));
}

const std::string &GGUFFile::path() const { return State->Path; }
std::span<const uint8_t> GGUFFile::bytes() const { return State->Bytes; }
uint64_t GGUFFile::fileBytes() const { return State->FileBytes; }
const FileIdentity *GGUFFile::identity() const {
  return State->Mapping ? &State->Mapping->identity() : nullptr;
}
std::span<const uint8_t> GGUFFile::headerBytes() const {
  return State->Bytes.first(State->Contents.HeaderBytes);
}

std::span<const GGUFTensor> GGUFFile::tensors() const { return State->Contents.Tensors; }
std::span<const GGUFValue> GGUFFile::values() const { return State->Contents.Values; }

const GGUFTensor *GGUFFile::findTensor(std::string_view Name) const {
  const std::vector<GGUFTensor> &Tensors = State->Contents.Tensors;
  std::optional<uint32_t> Found =
      findName(State->Contents.TensorsByName, [&](uint32_t I) { return Tensors[I].Name; }, Name);
  return Found ? &Tensors[*Found] : nullptr;
}

std::span<const uint8_t> GGUFFile::data(const FileTensor &Tensor) const {
  return State->Bytes.subspan(Tensor.Offset, Tensor.Bytes);
}

std::string GGUFFile::typeName(const FileTensor &Tensor) const {
  if (Tensor.Format)
    return std::string(Tensor.Format->Name);
  return "type " + std::to_string(static_cast<const GGUFTensor &>(Tensor).TypeNumber);
}

const GGUFValue *GGUFFile::findValue(std::string_view Key) const {
  const std::vector<GGUFValue> &Values = State->Contents.Values;
  std::optional<uint32_t> Found =
      findName(State->Contents.ValuesByKey, [&](uint32_t I) { return Values[I].Key; }, Key);
  return Found ? &Values[*Found] : nullptr;
}

std::optional<uint64_t> GGUFFile::getUInt(std::string_view Key) const {
  const GGUFValue *Value = findValue(Key);
  return Value ? toInteger<uint64_t>(Value->Type, Value->Bytes.data()) : std::nullopt;
}

std::optional<int64_t> GGUFFile::getInt(std::string_view Key) const {
  const GGUFValue *Value = findValue(Key);
  return Value ? toInteger<int64_t>(Value->Type, Value->Bytes.data()) : std::nullopt;
}

std::optional<double> GGUFFile::getFloat(std::string_view Key) const {
  const GGUFValue *Value = findValue(Key);
  return Value ? toDouble(Value->Type, Value->Bytes.data()) : std::nullopt;
}

std::optional<bool> GGUFFile::getBool(std::string_view Key) const {
  const GGUFValue *Value = findValue(Key);
  if (!Value || Value->Type != GGUFValueType::Bool)
    return std::nullopt;
  return Value->Bytes[0] != 0;
}

std::optional<std::string_view> GGUFFile::getString(std::string_view Key) const {
  const GGUFValue *Value = findValue(Key);
  std::string_view Text;
  if (!Value || Value->Type != GGUFValueType::String)
    return std::nullopt;
  ByteCursor Cursor(Value->Bytes);
  readGGUFString(Cursor, Text);
  return Text;
}

std::optional<std::vector<std::string_view>> GGUFFile::getStrings(std::string_view Key) const {
  const GGUFValue *Value = findValue(Key);
  if (!Value || Value->Type != GGUFValueType::Array || Value->ElementType != GGUFValueType::String)
    return std::nullopt;
  ByteCursor Cursor(Value->Bytes);
  std::vector<std::string_view> Result(Value->Count);
  for (std::string_view &Text : Result)
    readGGUFString(Cursor, Text);
  return Result;
}

std::optional<std::vector<float>> GGUFFile::getFloats(std::string_view Key) const {
  return convertArray<float>(findValue(Key), toDouble);
}

std::optional<std::vector<int64_t>> GGUFFile::getInts(std::string_view Key) const {
  return convertArray<int64_t>(findValue(Key), toInteger<int64_t>);
}

std::optional<std::vector<bool>> GGUFFile::getBools(std::string_view Key) const {
  const GGUFValue *Value = findValue(Key);
  if (!Value || Value->Type != GGUFValueType::Array || Value->ElementType != GGUFValueType::Bool)
    return std::nullopt;
  return std::vector<bool>(Value->Bytes.begin(), Value->Bytes.begin() + Value->Count);
}

} // namespace lathe
