//===- SafetensorsParser.h - The header of safetensors ----------*- C++ -*-===//
//
// Internal to Safetensors.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_SAFETENSORSPARSER_H
#define LATHE_RUNTIME_FORMATS_SAFETENSORSPARSER_H

#include "runtime/formats/Safetensors.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/JsonReader.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// What a safetensors file says before its tensor data.
struct SafetensorsContents {
  std::deque<std::string> Names; ///< That the tensors' names are views of.
  std::vector<SafetensorsTensor> Tensors;
  std::vector<uint32_t> TensorsByName; ///< Positions in Tensors, for binary search.
  std::map<std::string, std::string, std::less<>> Metadata;
  uint64_t HeaderBytes = 0; ///< With the eight bytes of its length.
};

class SafetensorsParser {
public:
  /// `Bytes` of a file of `FileBytes` bytes; the header at least is among them.
  SafetensorsParser(std::span<const uint8_t> Bytes, uint64_t FileBytes, std::string Name,
                    Diagnostics &Diags)
      : Bytes(Bytes), FileBytes(FileBytes),
        Faults(Diags, std::move(Name), "the file is damaged; fetch it or write it again") {}

  /// False when anything is wrong; all of it has been told.
  bool parse(SafetensorsContents &Result);

private:
  bool findHeader(SafetensorsContents &Result);
  void parseMetadata(JsonValue Value, SafetensorsContents &Result);
  void parseTensor(const std::string &Name, JsonValue Value, SafetensorsContents &Result);
  bool checkMembers(const std::string &Where, JsonValue Members);
  bool parseType(const std::string &Where, JsonValue Members, SafetensorsTensor &Tensor,
                 uint64_t &Bits);
  bool parseShape(const std::string &Where, JsonValue Members, SafetensorsTensor &Tensor,
                  uint64_t Bits, uint64_t &Bytes);
  bool parsePlace(const std::string &Where, JsonValue Members, SafetensorsTensor &Tensor);
  void checkNames(SafetensorsContents &Result);
  void placeTensors(SafetensorsContents &Result);

  std::span<const uint8_t> Bytes;
  uint64_t FileBytes;
  FaultList Faults;
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_SAFETENSORSPARSER_H
