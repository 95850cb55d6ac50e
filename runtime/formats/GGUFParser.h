//===- GGUFParser.h - Header, metadata and tensor table of GGUF -*- C++ -*-===//
//
// Internal to GGUF.cpp.  Rejects what llama.cpp or gguf-py rejects, and what the
// specification forbids; two things are read more widely or narrowly than
// llama.cpp does: arrays may nest to limits::MaxArrayDepth, as the
// specification says, and the alignment is bounded by limits::MaxAlignment.
//
// Faults after which the next field's place is known are collected; any other
// ends the parse.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_GGUFPARSER_H
#define LATHE_RUNTIME_FORMATS_GGUFPARSER_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/ByteCursor.h"
#include "runtime/support/FaultList.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// What a GGUF file says before its tensor data.
struct GGUFContents {
  std::vector<GGUFValue> Values;
  std::vector<GGUFTensor> Tensors;
  /// Positions in Values by key and in Tensors by name, for binary search.
  std::vector<uint32_t> ValuesByKey;
  std::vector<uint32_t> TensorsByName;
  uint64_t HeaderBytes = 0; ///< Up to the tensor data.
};

/// Bytes of one value of a type that is neither a string nor an array; 0 for
/// these two and for unknown types.
uint64_t ggufScalarBytes(GGUFValueType Type);

/// Reads a length-prefixed string.
bool readGGUFString(ByteCursor &Cursor, std::string_view &Text);

class GGUFParser {
public:
  /// `Bytes` begin a file of `FileSize`; tensor data may be missing from them.
  GGUFParser(std::span<const uint8_t> Bytes, uint64_t FileSize, std::string Name,
             Diagnostics &Diags)
      : FileBytes(Bytes), FileSize(FileSize), Cursor(Bytes),
        Faults(Diags, std::move(Name), "the file is damaged; fetch it or convert the model again") {
  }

  /// False when anything is wrong; all of it has been told.
  bool parse(GGUFContents &Result);

private:
  // GGUFParser.cpp.  Parsers and skippers return false when the next field cannot
  // be found; checkers say what is wrong and leave it at that.
  bool parseHeader();
  bool checkVersion(uint32_t Version);
  bool parseKey(uint64_t Number, GGUFValue &Value);
  bool parseValues(GGUFContents &Result);
  bool parseValue(GGUFValue &Value);
  bool parseArray(const std::string &Where, GGUFValue &Value);
  bool readArrayHeader(const std::string &Where, GGUFValueType &Element, uint64_t &Count);
  bool skipElements(const std::string &Where, GGUFValueType Type, uint64_t Count);
  bool skipScalars(const std::string &Where, GGUFValueType Type, uint64_t Count);
  bool skipStrings(const std::string &Where, uint64_t Count);
  void checkKeys(GGUFContents &Result);
  bool checkAlignment(const GGUFContents &Result);
  void checkSplit(const GGUFContents &Result);

  // GGUFTensorTable.cpp.
  bool parseTensors(GGUFContents &Result);
  bool parseTensor(uint64_t Number, GGUFTensor &Tensor, bool &SizeKnown);
  bool parseShape(const std::string &Where, GGUFTensor &Tensor, bool &Sound);
  bool sizeTensor(const std::string &Where, GGUFTensor &Tensor, uint64_t &Bytes);
  void checkNames(GGUFContents &Result);
  void placeTensors(GGUFContents &Result);

  bool cutOff(const std::string &Where);

  std::span<const uint8_t> FileBytes;
  uint64_t FileSize;
  ByteCursor Cursor;
  FaultList Faults;
  uint64_t TensorCount = 0;
  uint64_t ValueCount = 0;
  uint64_t Alignment = 32;
  /// Bytes of each tensor read so far, parallel to GGUFContents::Tensors.
  std::vector<uint64_t> TensorSizes;
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_GGUFPARSER_H
