//===- GGUFTensorTable.cpp - The tensor table of GGUF ---------------------===//

#include "runtime/formats/GGMLTypes.h"
#include "runtime/formats/GGUFParser.h"
#include "runtime/formats/SortedNames.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <limits>

namespace lathe {
namespace {

std::string tensorPlace(std::string_view Name) { return "tensor " + quoted(Name); }

uint64_t elementCount(const GGUFTensor &Tensor) {
  uint64_t Product = 1;
  for (int64_t Dimension : Tensor.Shape)
    Product *= static_cast<uint64_t>(Dimension);
  return Product;
}

} // namespace

/// False when the table is cut off or the size of a tensor is not known.
bool GGUFParser::parseTensors(GGUFContents &Result) {
  bool AllSizesKnown = true;
  for (uint64_t I = 0; I < TensorCount; ++I) {
    GGUFTensor Tensor = {};
    bool SizeKnown = true;
    if (!parseTensor(I, Tensor, SizeKnown))
      return false;
    AllSizesKnown &= SizeKnown;
    Result.Tensors.push_back(std::move(Tensor));
  }
  return AllSizesKnown;
}

bool GGUFParser::parseTensor(uint64_t Number, GGUFTensor &Tensor, bool &SizeKnown) {
  std::string Where = "tensor " + std::to_string(Number);
  uint64_t Length;
  std::span<const uint8_t> Name;
  if (!Cursor.read(Length) || !Cursor.take(Length, Name))
    return cutOff(Where);
  Tensor.Name = {reinterpret_cast<const char *>(Name.data()), Name.size()};
  if (Length > limits::MaxTensorNameBytes)
    Faults.error(313, Where,
                 "name of " + std::to_string(Length) + " bytes, expected at most " +
                     std::to_string(limits::MaxTensorNameBytes));
  Where = tensorPlace(Tensor.Name);

  if (!parseShape(Where, Tensor, SizeKnown))
    return false;
  if (!Cursor.read(Tensor.TypeNumber) || !Cursor.read(Tensor.Offset))
    return cutOff(Where);
  uint64_t Bytes = 0;
  SizeKnown = SizeKnown && sizeTensor(Where, Tensor, Bytes);
  TensorSizes.push_back(Bytes);
  return true;
}

bool GGUFParser::parseShape(const std::string &Where, GGUFTensor &Tensor, bool &Sound) {
  uint32_t Dimensions;
  if (!Cursor.read(Dimensions))
    return cutOff(Where);
  if (Dimensions == 0 || Dimensions > limits::MaxTensorDimensions) {
    Faults.error(315, Where,
                 "found " + std::to_string(Dimensions) + " dimensions, expected 1 to " +
                     std::to_string(limits::MaxTensorDimensions));
    Sound = false;
    // With more, the rest of the table is most likely garbage.
    if (Dimensions != 0)
      return false;
  }
  uint64_t Product = 1;
  for (uint32_t I = 0; I < Dimensions; ++I) {
    uint64_t Dimension;
    if (!Cursor.read(Dimension))
      return cutOff(Where);
    Tensor.Shape.push_back(static_cast<int64_t>(Dimension));
    if (!Sound)
      continue;
    std::optional<uint64_t> Next = checkedMul(Product, Dimension);
    Sound = Dimension != 0 && Next && *Next <= std::numeric_limits<int64_t>::max();
    if (Sound)
      Product = *Next;
    else
      Faults.error(316, Where,
                   "dimension " + std::to_string(I) + " is " +
                       std::to_string(static_cast<int64_t>(Dimension)) +
                       (Dimension == 0 ? ", expected at least 1"
                                       : ", expected a product of all below 2^63"));
  }
  // GGUF stores the dimension that is contiguous in memory first.
  std::reverse(Tensor.Shape.begin(), Tensor.Shape.end());
  return true;
}

/// Finds the format and the bytes of `Tensor`; false when they are not known.
bool GGUFParser::sizeTensor(const std::string &Where, GGUFTensor &Tensor, uint64_t &Bytes) {
  const GGMLType *Type = findGGMLType(Tensor.TypeNumber);
  std::string Found = std::to_string(Tensor.TypeNumber);
  if (!Type) {
    Faults.error(317, Where, "found type " + Found + ", expected one of the types of GGUF 3",
                 "the file is damaged, or younger than this build");
    return false;
  }
  if (Type->removed()) {
    Faults.error(318, Where,
                 "found the removed type " + Found + " (" + std::string(Type->Name) + ")",
                 "quantise the original model again, for example to q4_0");
    return false;
  }
  auto RowElements = static_cast<uint64_t>(Tensor.Shape.back());
  if (RowElements % Type->BlockElements != 0) {
    Faults.error(319, Where,
                 "rows of " + std::to_string(RowElements) + " elements, expected a multiple of " +
                     std::to_string(Type->BlockElements) + " for " + std::string(Type->Name));
    return false;
  }
  std::optional<uint64_t> Size =
      checkedMul(elementCount(Tensor) / Type->BlockElements, Type->BlockBytes);
  if (!Size) {
    Faults.error(322, Where, "the size overflows 64 bits");
    return false;
  }
  Bytes = *Size;
  Tensor.Format = findBlockFormat(Tensor.TypeNumber);
  Tensor.Bytes = Tensor.Format ? Bytes : 0;
  return true;
}

void GGUFParser::checkNames(GGUFContents &Result) {
  auto Name = [&](uint32_t I) { return Result.Tensors[I].Name; };
  Result.TensorsByName = sortNames(Result.Tensors.size(), Name);
  forEachDuplicate(Result.TensorsByName, Name, [&](std::string_view Twice, size_t Times) {
    Faults.error(314, tensorPlace(Twice),
                 "stands " + std::to_string(Times) + " times, expected once");
  });
}

/// Checks that the tensors lie one after the other, and turns their offsets
/// into offsets from the start of the file.
void GGUFParser::placeTensors(GGUFContents &Result) {
  uint64_t TableEnd = Cursor.position();
  if (Result.Tensors.empty()) {
    Result.HeaderBytes = TableEnd;
    return;
  }
  // Cannot overflow: a position in a file and a bounded alignment.
  uint64_t DataStart = *checkedAlign(TableEnd, Alignment);
  uint64_t Expected = 0;
  uint64_t FileEnd = DataStart;
  for (size_t I = 0; I < Result.Tensors.size(); ++I) {
    GGUFTensor &Tensor = Result.Tensors[I];
    if (Tensor.Offset != Expected)
      Faults.error(320, tensorPlace(Tensor.Name),
                   "data at offset " + std::to_string(Tensor.Offset) + ", expected " +
                       std::to_string(Expected));
    std::optional<uint64_t> Start = checkedAdd(DataStart, Expected);
    std::optional<uint64_t> End = Start ? checkedAdd(*Start, TensorSizes[I]) : std::nullopt;
    std::optional<uint64_t> Padded = checkedAlign(TensorSizes[I], Alignment);
    std::optional<uint64_t> Next = Padded ? checkedAdd(Expected, *Padded) : std::nullopt;
    if (!End || !Next) {
      Faults.error(322, tensorPlace(Tensor.Name),
                   "the sizes of this and the tensors before it overflow 64 bits");
      return;
    }
    Tensor.Offset = *Start;
    Expected = *Next;
    FileEnd = *End;
  }
  if (FileEnd > FileSize || DataStart > FileBytes.size())
    Faults.error(321, "",
                 "expected " + std::to_string(FileEnd) + " bytes, has " + std::to_string(FileSize),
                 "was it downloaded completely?");
  Result.HeaderBytes = DataStart;
}

} // namespace lathe
