//===- NpyReader.cpp - Reads arrays of float32 from .npy --------------------===//

#include "tools/lathe/NpyReader.h"

#include "runtime/support/CheckedMath.h"
#include "runtime/support/Text.h"
#include "runtime/support/Unaligned.h"

#include <charconv>
#include <cstring>
#include <string_view>

using namespace lathe;
using namespace lathe::cli;

namespace {

/// Reads a header in the form that numpy writes.
class HeaderReader {
public:
  explicit HeaderReader(std::string_view Text) : Text(Text) {}

  /// What stands behind `'Key':`, up to a comma or brace, a pair of parentheses
  /// included; empty when there is none.
  std::string_view find(std::string_view Key) const {
    std::string Wanted = "'" + std::string(Key) + "':";
    size_t At = Text.find(Wanted);
    if (At == std::string_view::npos)
      return {};
    std::string_view Rest = Text.substr(At + Wanted.size());
    Rest.remove_prefix(std::min(Rest.find_first_not_of(' '), Rest.size()));
    if (Rest.starts_with('(')) {
      size_t End = Rest.find(')');
      return End == std::string_view::npos ? std::string_view() : Rest.substr(0, End + 1);
    }
    return Rest.substr(0, Rest.find_first_of(",}"));
  }

private:
  std::string_view Text;
};

} // namespace

/// "(4, 64)", "(4,)" or "()".
static std::optional<std::vector<int64_t>> readShape(std::string_view Text) {
  constexpr size_t MostDimensions = 32;
  if (!Text.starts_with('(') || !Text.ends_with(')'))
    return std::nullopt;
  Text = Text.substr(1, Text.size() - 2);
  std::vector<int64_t> Shape;
  while (!Text.empty()) {
    int64_t Size = 0;
    std::from_chars_result Read = std::from_chars(Text.data(), Text.data() + Text.size(), Size);
    if (Read.ec != std::errc() || Size < 0 || Shape.size() == MostDimensions)
      return std::nullopt;
    Shape.push_back(Size);
    Text.remove_prefix(static_cast<size_t>(Read.ptr - Text.data()));
    size_t Next = Text.find_first_not_of(", ");
    Text.remove_prefix(std::min(Next, Text.size()));
  }
  return Shape;
}

/// The bytes behind the header; nullopt, with an error, when it cannot be read.
static std::optional<std::span<const uint8_t>>
readHeader(const MappedFile &File, std::string_view &Header, Diagnostics &Diags) {
  constexpr std::string_view Magic = "\x93NUMPY";
  constexpr size_t LengthAt = 8;
  std::span<const uint8_t> Bytes = File.bytes();
  std::string_view Text(reinterpret_cast<const char *>(Bytes.data()), Bytes.size());
  size_t LengthBytes = Bytes.size() > LengthAt && Bytes[6] == 1 ? 2 : 4;
  if (!Text.starts_with(Magic) || Bytes.size() < LengthAt + LengthBytes || Bytes[6] < 1 ||
      Bytes[6] > 3) {
    Diags.error(208, File.path(),
                "found no header of numpy, expected a .npy file of version 1 to 3");
    return std::nullopt;
  }
  size_t Length = LengthBytes == 2 ? load<uint16_t>(Bytes.data() + LengthAt)
                                   : load<uint32_t>(Bytes.data() + LengthAt);
  size_t Start = LengthAt + LengthBytes;
  if (Length > Bytes.size() - Start) {
    Diags.error(208, File.path(),
                "found a header of " + std::to_string(Length) + " bytes in a file of " +
                    std::to_string(Bytes.size()));
    return std::nullopt;
  }
  Header = Text.substr(Start, Length);
  return Bytes.subspan(Start + Length);
}

std::optional<NpyArray> cli::readNpy(const std::string &Path, Diagnostics &Diags) {
  NpyArray Result;
  Result.File = MappedFile::open(Path, Diags);
  std::string_view Text;
  std::optional<std::span<const uint8_t>> Values =
      Result.File ? readHeader(*Result.File, Text, Diags) : std::nullopt;
  if (!Values)
    return std::nullopt;
  HeaderReader Header(Text);
  std::optional<std::vector<int64_t>> Shape = readShape(Header.find("shape"));
  if (!Shape || Header.find("descr").empty() || Header.find("fortran_order").empty()) {
    Diags.error(208, Path,
                "found the header " + lathe::quoted(Text) +
                    ", expected descr, fortran_order and shape");
    return std::nullopt;
  }
  if (Header.find("descr") != "'<f4'" || Header.find("fortran_order") != "False") {
    Diags.error(209, Path,
                "found elements of type " + std::string(Header.find("descr")) + ", fortran_order " +
                    std::string(Header.find("fortran_order")) + ", expected '<f4' and False",
                "numpy.ascontiguousarray(x, numpy.float32) gives such an array");
    return std::nullopt;
  }
  std::optional<uint64_t> Bytes = sizeof(float);
  for (int64_t Size : *Shape)
    Bytes = Bytes ? checkedMul(*Bytes, static_cast<uint64_t>(Size)) : Bytes;
  if (Bytes != Values->size()) {
    Diags.error(208, Path,
                "expected " + (Bytes ? std::to_string(*Bytes) : "more than 2^64") +
                    " bytes of values, has " + std::to_string(Values->size()));
    return std::nullopt;
  }
  Result.Shape = std::move(*Shape);
  if (reinterpret_cast<uintptr_t>(Values->data()) % alignof(float) == 0) {
    Result.Data = reinterpret_cast<const float *>(Values->data());
    return Result;
  }
  Result.Copy.resize(*Bytes / sizeof(float));
  std::memcpy(Result.Copy.data(), Values->data(), *Bytes);
  Result.Data = Result.Copy.data();
  return Result;
}
