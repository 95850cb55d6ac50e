//===- SafetensorsParser.cpp - The header of safetensors ------------------===//

#include "runtime/formats/SafetensorsParser.h"

#include "runtime/formats/SortedNames.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"
#include "runtime/support/Unaligned.h"

#include <algorithm>
#include <limits>

namespace lathe {
namespace {

/// An element type of the format.
struct ElementType {
  std::string_view Name;
  uint64_t Bits;
  std::string_view Format; ///< Of a BlockFormat; empty where there is none.
};

constexpr ElementType ElementTypes[] = {
    {"F32", 32, "f32"}, {"F16", 16, "f16"}, {"BF16", 16, "bf16"}, {"BOOL", 8, {}},
    {"U8", 8, {}},      {"I8", 8, {}},      {"F8_E4M3", 8, {}},   {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}}, {"F4", 4, {}},      {"F6_E2M3", 6, {}},   {"F6_E3M2", 6, {}},
    {"I16", 16, {}},    {"U16", 16, {}},    {"I32", 32, {}},      {"U32", 32, {}},
    {"F64", 64, {}},    {"I64", 64, {}},    {"U64", 64, {}},      {"C64", 64, {}},
};

constexpr uint64_t LengthBytes = 8;

std::string tensorPlace(std::string_view Name) { return "tensor " + lathe::quoted(Name); }

std::string shapeText(const std::vector<int64_t> &Shape) {
  std::string Text;
  for (int64_t Dimension : Shape)
    Text += (Text.empty() ? "" : " x ") + std::to_string(Dimension);
  return Text.empty() ? "one element" : Text;
}

} // namespace

bool SafetensorsParser::findHeader(SafetensorsContents &Result) {
  std::string Found = "found " + std::to_string(Bytes.size()) + " bytes, expected a header of ";
  if (Bytes.size() < LengthBytes) {
    Faults.error(340, "", Found + "at least 8");
    return false;
  }
  auto Length = load<uint64_t>(Bytes.data());
  if (Length > limits::MaxSafetensorsHeaderBytes) {
    Faults.error(341, "",
                 "found a header of " + std::to_string(Length) + " bytes, expected at most " +
                     std::to_string(limits::MaxSafetensorsHeaderBytes));
    return false;
  }
  if (Length > Bytes.size() - LengthBytes) {
    Faults.error(340, "", Found + std::to_string(Length), "was it downloaded completely?");
    return false;
  }
  Result.HeaderBytes = LengthBytes + Length;
  return true;
}

void SafetensorsParser::parseMetadata(JsonValue Value, SafetensorsContents &Result) {
  if (!Value.isObject()) {
    Faults.error(344, "'__metadata__'", "expected an object of texts");
    return;
  }
  for (const auto &[Key, Member] : Value.members()) {
    std::optional<std::string_view> Text = Member.text();
    if (!Text)
      Faults.error(344, "'__metadata__'",
                   "member " + lathe::quoted(Key) + " is " + lathe::quoted(Member.str()) +
                       ", expected a text");
    else if (!Result.Metadata.emplace(Key, *Text).second)
      Faults.error(343, "'__metadata__'",
                   "member " + lathe::quoted(Key) + " stands twice, expected once");
  }
}

/// Each member once, and no other.
bool SafetensorsParser::checkMembers(const std::string &Where, JsonValue Members) {
  constexpr std::string_view Known[] = {"dtype", "shape", "data_offsets"};
  std::vector<std::string_view> Seen;
  bool Sound = true;
  for (const auto &[Key, Member] : Members.members()) {
    if (std::find(Seen.begin(), Seen.end(), Key) != Seen.end()) {
      Faults.error(343, Where, lathe::quoted(Key) + " stands twice, expected once");
      Sound = false;
    } else if (std::find(std::begin(Known), std::end(Known), Key) == std::end(Known)) {
      Faults.error(344, Where,
                   "found a member " + lathe::quoted(Key) +
                       ", expected 'dtype', 'shape' and 'data_offsets' alone");
      Sound = false;
    } else {
      Seen.push_back(Key);
    }
    // A hostile header must not take time by the square of its length.
    if (!Sound)
      return false;
  }
  return true;
}

bool SafetensorsParser::parseType(const std::string &Where, JsonValue Members,
                                  SafetensorsTensor &Tensor, uint64_t &Bits) {
  std::optional<std::string_view> Name = Members["dtype"].text();
  if (!Name) {
    Faults.error(344, Where, "found no 'dtype', expected a text");
    return false;
  }
  const ElementType *Type =
      std::find_if(std::begin(ElementTypes), std::end(ElementTypes),
                   [&](const ElementType &Each) { return Each.Name == *Name; });
  if (Type == std::end(ElementTypes)) {
    Faults.error(345, Where,
                 "found dtype " + lathe::quoted(*Name) +
                     ", expected one of the types of safetensors");
    return false;
  }
  Tensor.Type = Type->Name;
  Tensor.Format = Type->Format.empty() ? nullptr : findBlockFormat(Type->Format);
  Bits = Type->Bits;
  return true;
}

bool SafetensorsParser::parseShape(const std::string &Where, JsonValue Members,
                                   SafetensorsTensor &Tensor, uint64_t Bits, uint64_t &Bytes) {
  JsonValue Shape = Members["shape"];
  if (!Shape.isObject() && Shape.size() > limits::MaxSafetensorsDimensions) {
    Faults.error(346, Where,
                 "found " + std::to_string(Shape.size()) + " dimensions, expected at most " +
                     std::to_string(limits::MaxSafetensorsDimensions));
    return false;
  }
  std::optional<std::vector<JsonValue>> Dimensions = Shape.elements();
  if (!Dimensions) {
    Faults.error(344, Where, "found no 'shape', expected an array of whole numbers");
    return false;
  }
  std::optional<uint64_t> Size = Bits;
  for (JsonValue Each : *Dimensions) {
    std::string Place =
        "dimension " + std::to_string(Tensor.Shape.size()) + " is " + lathe::quoted(Each.str());
    std::optional<uint64_t> Dimension = Each.unsignedInteger();
    if (!Dimension) {
      Faults.error(346, Where, Place + ", expected a whole number");
      return false;
    }
    Size = checkedMul(*Size, *Dimension);
    if (!Size || *Size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        *Dimension > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      Faults.error(346, Where, Place + ", expected sizes below 2^63 bits");
      return false;
    }
    Tensor.Shape.push_back(static_cast<int64_t>(*Dimension));
  }
  constexpr uint64_t ByteBits = 8;
  if (*Size % ByteBits != 0) {
    Faults.error(346, Where, "found " + std::to_string(*Size) + " bits, expected whole bytes");
    return false;
  }
  Bytes = *Size / ByteBits;
  return true;
}

/// From the start of the data, at first.
bool SafetensorsParser::parsePlace(const std::string &Where, JsonValue Members,
                                   SafetensorsTensor &Tensor) {
  JsonValue Place = Members["data_offsets"];
  std::optional<uint64_t> Begin, End;
  if (auto Offsets = Place.size() == 2 ? Place.elements() : std::nullopt) {
    Begin = Offsets->front().unsignedInteger();
    End = Offsets->back().unsignedInteger();
  }
  if (!Begin || !End) {
    Faults.error(344, Where, "found no 'data_offsets', expected an array of two whole numbers");
    return false;
  }
  if (*End < *Begin) {
    Faults.error(347, Where,
                 "data from " + std::to_string(*Begin) + " to " + std::to_string(*End) +
                     ", expected an end that is not before the start");
    return false;
  }
  Tensor.Offset = *Begin;
  Tensor.Bytes = *End - *Begin;
  return true;
}

void SafetensorsParser::parseTensor(const std::string &Name, JsonValue Value,
                                    SafetensorsContents &Result) {
  std::string Where = tensorPlace(Name);
  if (!Value.isObject()) {
    Faults.error(344, Where, "expected an object of 'dtype', 'shape' and 'data_offsets'");
    return;
  }
  SafetensorsTensor Tensor = {};
  uint64_t Bits = 0, Bytes = 0;
  if (!checkMembers(Where, Value) || !parseType(Where, Value, Tensor, Bits) ||
      !parseShape(Where, Value, Tensor, Bits, Bytes) || !parsePlace(Where, Value, Tensor))
    return;
  if (Bytes != Tensor.Bytes)
    Faults.error(347, Where,
                 "data from " + std::to_string(Tensor.Offset) + " to " +
                     std::to_string(Tensor.Offset + Tensor.Bytes) + ", expected " +
                     std::to_string(Bytes) + " bytes for " + std::string(Tensor.Type) + " of " +
                     shapeText(Tensor.Shape));
  Tensor.Name = Result.Names.emplace_back(Name);
  Result.Tensors.push_back(std::move(Tensor));
}

void SafetensorsParser::checkNames(SafetensorsContents &Result) {
  auto Name = [&](uint32_t I) { return Result.Tensors[I].Name; };
  Result.TensorsByName = sortNames(Result.Tensors.size(), Name);
  forEachDuplicate(Result.TensorsByName, Name, [&](std::string_view Twice, size_t Times) {
    Faults.error(343, tensorPlace(Twice),
                 "stands " + std::to_string(Times) + " times, expected once");
  });
}

/// Checks that the tensors fill the data one after the other, and turns their
/// offsets into offsets from the start of the file.
void SafetensorsParser::placeTensors(SafetensorsContents &Result) {
  std::sort(Result.Tensors.begin(), Result.Tensors.end(), [](const auto &Left, const auto &Right) {
    return std::pair(Left.Offset, Left.Bytes) < std::pair(Right.Offset, Right.Bytes);
  });
  uint64_t Expected = 0, DataBytes = FileBytes - Result.HeaderBytes;
  for (SafetensorsTensor &Tensor : Result.Tensors) {
    if (Tensor.Offset != Expected)
      Faults.error(347, tensorPlace(Tensor.Name),
                   "data at " + std::to_string(Tensor.Offset) + ", expected " +
                       std::to_string(Expected));
    // The end was read as a number, so it does not overflow.
    Expected = Tensor.Offset + Tensor.Bytes;
    if (Expected <= DataBytes)
      Tensor.Offset += Result.HeaderBytes;
  }
  if (Expected != DataBytes)
    Faults.error(348, "",
                 "expected " + std::to_string(Expected) + " bytes behind the header, has " +
                     std::to_string(DataBytes),
                 Expected > DataBytes ? "was it downloaded completely?" : "");
}

bool SafetensorsParser::parse(SafetensorsContents &Result) {
  if (!findHeader(Result))
    return false;
  std::span<const uint8_t> Header = Bytes.subspan(LengthBytes, Result.HeaderBytes - LengthBytes);
  std::string Why = "it is another value";
  std::optional<JsonDocument> Document = JsonDocument::parse(
      std::string_view(reinterpret_cast<const char *>(Header.data()), Header.size()),
      limits::MaxSafetensorsDepth, &Why);
  if (!Document || !Document->root().isObject()) {
    Faults.error(342, "header", "not a JSON object: " + Why);
    return false;
  }
  bool HasMetadata = false;
  for (const auto &[Key, Value] : Document->root().members()) {
    if (Key != "__metadata__") {
      parseTensor(std::string(Key), Value, Result);
      continue;
    }
    if (HasMetadata)
      Faults.error(343, "'__metadata__'", "stands twice, expected once");
    HasMetadata = true;
    parseMetadata(Value, Result);
  }
  if (Faults.any())
    return false;
  placeTensors(Result);
  // By name after the order of the data is known, for these are positions in it.
  checkNames(Result);
  return !Faults.any();
}

} // namespace lathe
