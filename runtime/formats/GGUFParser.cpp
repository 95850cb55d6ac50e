//===- GGUFParser.cpp - Header and metadata of GGUF -----------------------===//

#include "runtime/formats/GGUFParser.h"

#include "runtime/formats/SortedNames.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <array>

namespace lathe {
namespace {

/// The shortest metadata entry (length, one byte of key, type, one byte) and
/// tensor entry (length, dimension count, one dimension, type, offset).
constexpr uint64_t MinValueEntry = 8 + 1 + 4 + 1;
constexpr uint64_t MinTensorEntry = 8 + 4 + 8 + 4 + 8;

constexpr uint32_t LastValueType = static_cast<uint32_t>(GGUFValueType::F64);

std::string atByte(uint64_t Position) { return " at byte " + std::to_string(Position); }

std::string keyPlace(std::string_view Key) { return "key " + quoted(Key); }

bool isPrintableASCII(std::string_view Text) {
  return std::all_of(Text.begin(), Text.end(), [](char C) { return C >= 0x20 && C < 0x7f; });
}

} // namespace

uint64_t ggufScalarBytes(GGUFValueType Type) {
  switch (Type) {
  case GGUFValueType::U8:
  case GGUFValueType::I8:
  case GGUFValueType::Bool:
    return 1;
  case GGUFValueType::U16:
  case GGUFValueType::I16:
    return 2;
  case GGUFValueType::U32:
  case GGUFValueType::I32:
  case GGUFValueType::F32:
    return 4;
  case GGUFValueType::U64:
  case GGUFValueType::I64:
  case GGUFValueType::F64:
    return 8;
  case GGUFValueType::String:
  case GGUFValueType::Array:
    break;
  }
  return 0;
}

bool readGGUFString(ByteCursor &Cursor, std::string_view &Text) {
  uint64_t Length;
  std::span<const uint8_t> Bytes;
  if (!Cursor.read(Length) || Length > limits::MaxStringBytes || !Cursor.take(Length, Bytes))
    return false;
  Text = {reinterpret_cast<const char *>(Bytes.data()), Bytes.size()};
  return true;
}

bool GGUFParser::parse(GGUFContents &Result) {
  if (parseHeader() && parseValues(Result)) {
    checkKeys(Result);
    bool Aligned = checkAlignment(Result);
    checkSplit(Result);
    bool Sized = parseTensors(Result);
    checkNames(Result);
    // Where the data must be follows from the alignment and from all sizes.
    if (Aligned && Sized)
      placeTensors(Result);
  }
  Faults.finish();
  return !Faults.any();
}

bool GGUFParser::cutOff(const std::string &Where) {
  Faults.error(302, Where,
               "the file ends after " + std::to_string(FileBytes.size()) +
                   " bytes, inside this entry",
               "was it downloaded completely?");
  return false;
}

bool GGUFParser::parseHeader() {
  std::array<char, 4> Magic;
  uint32_t Version;
  if (!Cursor.read(Magic) || std::string_view(Magic.data(), 4) != "GGUF") {
    size_t Shown = std::min<size_t>(4, FileBytes.size());
    std::string_view Found(reinterpret_cast<const char *>(FileBytes.data()), Shown);
    Faults.error(301, "", "found magic " + quoted(Found) + ", expected 'GGUF'",
                 "name a GGUF file, or convert the model to GGUF");
    return false;
  }
  if (!Cursor.read(Version)) {
    Faults.error(302, "",
                 "has " + std::to_string(FileBytes.size()) +
                     " bytes, expected a header of at least 24",
                 "was it downloaded completely?");
    return false;
  }
  if (!checkVersion(Version))
    return false;
  if (!Cursor.read(TensorCount) || !Cursor.read(ValueCount))
    return cutOff("header");

  uint64_t MaxTensors = std::min(Cursor.remaining() / MinTensorEntry, limits::MaxTableEntries);
  uint64_t MaxValues = std::min(Cursor.remaining() / MinValueEntry, limits::MaxTableEntries);
  auto CheckCount = [&](std::string_view What, uint64_t Found, uint64_t Most) {
    if (Found > Most)
      Faults.error(305, "",
                   "the header counts " + std::to_string(Found) + " " + std::string(What) +
                       ", expected at most " + std::to_string(Most) + " in a file of " +
                       std::to_string(FileBytes.size()) + " bytes");
  };
  CheckCount("tensors", TensorCount, MaxTensors);
  CheckCount("metadata entries", ValueCount, MaxValues);
  return !Faults.any();
}

bool GGUFParser::checkVersion(uint32_t Version) {
  uint32_t Swapped = __builtin_bswap32(Version);
  if (Version == 2 || Version == 3)
    return true;
  if (Swapped >= 1 && Swapped <= 3)
    Faults.error(303, "",
                 "version " + std::to_string(Version) + " is " + std::to_string(Swapped) +
                     " with its bytes swapped: the file is big-endian",
                 "fetch a little-endian file, or convert it with gguf_convert_endian of gguf-py");
  else
    Faults.error(304, "", "found version " + std::to_string(Version) + ", expected 2 or 3",
                 "convert the original model with a current converter");
  return false;
}

bool GGUFParser::parseKey(uint64_t Number, GGUFValue &Value) {
  uint64_t Start = Cursor.position();
  std::string Where = "key " + std::to_string(Number) + atByte(Start);
  uint64_t Length;
  std::span<const uint8_t> Bytes;
  if (!Cursor.read(Length))
    return cutOff(Where);
  if (Length > limits::MaxKeyBytes) {
    Faults.error(306, Where,
                 "has length " + std::to_string(Length) + ", expected 1 to " +
                     std::to_string(limits::MaxKeyBytes));
    return false;
  }
  if (!Cursor.take(Length, Bytes))
    return cutOff(Where);
  Value.Key = {reinterpret_cast<const char *>(Bytes.data()), Bytes.size()};
  if (Length == 0)
    Faults.error(306, Where, "has length 0, expected 1 to " + std::to_string(limits::MaxKeyBytes));
  else if (!isPrintableASCII(Value.Key))
    Faults.error(306, Where, "found " + quoted(Value.Key) + ", expected printable ASCII");
  return true;
}

bool GGUFParser::parseValues(GGUFContents &Result) {
  for (uint64_t I = 0; I < ValueCount; ++I) {
    GGUFValue Value = {};
    if (!parseKey(I, Value) || !parseValue(Value))
      return false;
    Result.Values.push_back(Value);
  }
  return true;
}

bool GGUFParser::parseValue(GGUFValue &Value) {
  std::string Where = keyPlace(Value.Key) + atByte(Cursor.position());
  uint32_t Type;
  if (!Cursor.read(Type))
    return cutOff(Where);
  if (Type > LastValueType) {
    Faults.error(308, Where,
                 "found value type " + std::to_string(Type) + ", expected 0 to " +
                     std::to_string(LastValueType));
    return false;
  }
  Value.Type = static_cast<GGUFValueType>(Type);
  if (Value.Type == GGUFValueType::Array)
    return parseArray(Where, Value);

  uint64_t Begin = Cursor.position();
  if (!skipElements(Where, Value.Type, 1))
    return false;
  Value.Bytes = Cursor.between(Begin, Cursor.position());
  return true;
}

bool GGUFParser::parseArray(const std::string &Where, GGUFValue &Value) {
  if (!readArrayHeader(Where, Value.ElementType, Value.Count))
    return false;
  uint64_t Begin = Cursor.position();

  // The arrays around the cursor, outermost first: how many elements are left.
  struct Level {
    GGUFValueType Element;
    uint64_t Left;
  };
  std::array<Level, limits::MaxArrayDepth> Levels;
  unsigned Depth = 1;
  Levels[0] = {Value.ElementType, Value.Count};
  while (Depth != 0) {
    Level &Top = Levels[Depth - 1];
    if (Top.Element != GGUFValueType::Array && !skipElements(Where, Top.Element, Top.Left))
      return false;
    if (Top.Element != GGUFValueType::Array || Top.Left == 0) {
      --Depth;
      continue;
    }
    --Top.Left;
    if (Depth == limits::MaxArrayDepth) {
      Faults.error(309, Where, "arrays nest deeper than " + std::to_string(limits::MaxArrayDepth));
      return false;
    }
    Level Inner;
    if (!readArrayHeader(Where, Inner.Element, Inner.Left))
      return false;
    Levels[Depth++] = Inner;
  }
  Value.Bytes = Cursor.between(Begin, Cursor.position());
  return true;
}

bool GGUFParser::readArrayHeader(const std::string &Where, GGUFValueType &Element,
                                 uint64_t &Count) {
  uint32_t Type;
  if (!Cursor.read(Type) || !Cursor.read(Count))
    return cutOff(Where);
  if (Type > LastValueType) {
    Faults.error(308, Where,
                 "found element type " + std::to_string(Type) + ", expected 0 to " +
                     std::to_string(LastValueType));
    return false;
  }
  if (Count > limits::MaxArrayElements) {
    Faults.error(310, Where,
                 "an array of " + std::to_string(Count) + " elements, expected at most " +
                     std::to_string(limits::MaxArrayElements));
    return false;
  }
  Element = static_cast<GGUFValueType>(Type);
  return true;
}

bool GGUFParser::skipElements(const std::string &Where, GGUFValueType Type, uint64_t Count) {
  return Type == GGUFValueType::String ? skipStrings(Where, Count)
                                       : skipScalars(Where, Type, Count);
}

bool GGUFParser::skipScalars(const std::string &Where, GGUFValueType Type, uint64_t Count) {
  std::optional<uint64_t> Size = checkedMul(Count, ggufScalarBytes(Type));
  std::span<const uint8_t> Bytes;
  if (!Size || !Cursor.take(*Size, Bytes)) {
    Faults.error(310, Where,
                 std::to_string(Count) + " values of " + std::to_string(ggufScalarBytes(Type)) +
                     " bytes, but " + std::to_string(Cursor.remaining()) +
                     " bytes are left in the file",
                 "was it downloaded completely?");
    return false;
  }
  if (Type == GGUFValueType::Bool) {
    auto Bad = std::find_if(Bytes.begin(), Bytes.end(), [](uint8_t Byte) { return Byte > 1; });
    if (Bad != Bytes.end())
      Faults.error(311, Where, "found the boolean " + std::to_string(*Bad) + ", expected 0 or 1");
  }
  return true;
}

bool GGUFParser::skipStrings(const std::string &Where, uint64_t Count) {
  for (uint64_t I = 0; I < Count; ++I) {
    uint64_t Length;
    std::span<const uint8_t> Bytes;
    if (!Cursor.read(Length))
      return cutOff(Where);
    if (Length <= limits::MaxStringBytes && Cursor.take(Length, Bytes))
      continue;
    Faults.error(310, Where,
                 "a string of " + std::to_string(Length) + " bytes, but " +
                     std::to_string(Cursor.remaining()) + " are left in the file and at most " +
                     std::to_string(limits::MaxStringBytes) + " are read",
                 "was it downloaded completely?");
    return false;
  }
  return true;
}

void GGUFParser::checkKeys(GGUFContents &Result) {
  auto Key = [&](uint32_t I) { return Result.Values[I].Key; };
  Result.ValuesByKey = sortNames(Result.Values.size(), Key);
  forEachDuplicate(Result.ValuesByKey, Key, [&](std::string_view Name, size_t Times) {
    Faults.error(307, keyPlace(Name), "stands " + std::to_string(Times) + " times, expected once");
  });
}

bool GGUFParser::checkAlignment(const GGUFContents &Result) {
  bool Sound = true;
  for (const GGUFValue &Value : Result.Values) {
    if (Value.Key != "general.alignment")
      continue;
    std::string Found = "value type " + std::to_string(static_cast<uint32_t>(Value.Type));
    if (Value.Type == GGUFValueType::U32) {
      auto Number = load<uint32_t>(Value.Bytes.data());
      Found = std::to_string(Number);
      if (std::has_single_bit(Number) && Number <= limits::MaxAlignment) {
        Alignment = Number;
        continue;
      }
    }
    Sound = false;
    Faults.error(312, keyPlace(Value.Key),
                 "found " + Found + ", expected a u32 (4) that is a power of two from 1 to " +
                     std::to_string(limits::MaxAlignment));
  }
  return Sound;
}

void GGUFParser::checkSplit(const GGUFContents &Result) {
  auto Number = [&](std::string_view Key) -> uint64_t {
    for (const GGUFValue &Value : Result.Values)
      if (Value.Key == Key && Value.Type == GGUFValueType::U16)
        return load<uint16_t>(Value.Bytes.data());
    return 0;
  };
  uint64_t Parts = Number("split.count");
  if (Parts > 1)
    Faults.error(323, "",
                 "is part " + std::to_string(Number("split.no") + 1) + " of " +
                     std::to_string(Parts) + ", expected a model in one file",
                 "merge the parts, for example with llama-gguf-split --merge");
}

} // namespace lathe
