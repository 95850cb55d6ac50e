//===- NpyWriter.cpp - Writes arrays of float32 as .npy ---------------------===//

#include "tools/lathe/NpyWriter.h"

#include <bit>

using namespace lathe;
using namespace lathe::cli;

static_assert(std::endian::native == std::endian::little, "the header says '<f4'");

static std::span<const uint8_t> bytesOf(const void *Data, size_t Bytes) {
  return {static_cast<const uint8_t *>(Data), Bytes};
}

bool NpyWriter::begin(std::span<const int64_t> Shape, Diagnostics &Diags) {
  std::string Sizes;
  for (int64_t Size : Shape)
    Sizes += (Sizes.empty() ? "" : ", ") + std::to_string(Size);
  // Python's tuple of one.
  if (Shape.size() == 1)
    Sizes += ",";
  std::string Fields = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + Sizes + "), }";
  // Magic, version and length take 10 bytes; the values start 64-byte aligned.
  constexpr size_t Fixed = 10, Alignment = 64;
  size_t Total = (Fixed + Fields.size() + 1 + Alignment - 1) / Alignment * Alignment;
  size_t Length = Total - Fixed;
  std::string Header("\x93NUMPY\x01\x00", 8);
  Header += static_cast<char>(Length & 0xff);
  Header += static_cast<char>(Length >> 8);
  Header += Fields;
  Header.resize(Total - 1, ' ');
  Header += '\n';
  return File.write(bytesOf(Header.data(), Header.size()), Diags);
}

bool NpyWriter::append(std::span<const float> Values, Diagnostics &Diags) {
  return File.write(bytesOf(Values.data(), Values.size_bytes()), Diags);
}
