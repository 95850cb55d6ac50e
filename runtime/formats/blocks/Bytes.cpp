//===- Bytes.cpp - Floats rounded to int8 ----------------------------------===//
//
// Matrices of floats, packed as int8 with a scale for every 128 k of each row.  Panel:
//
//   f32 sum of all 32 rows, of integers times scales      128 bytes
//   for each 128 k:
//     f32 scale of all 32 rows                            128 bytes
//     [k / 4][32][4] int8                                4096 bytes
//
// Four k beside each other are one operand of an int8 dot product.  Rows of !lathe.u8_act
// are integers from their least number on, which meets the sums.  The k that the last 128
// lack, and missing rows, are zeros.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/StoredFloats.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lathe {
namespace {

constexpr int64_t Together = BlockFormat::ScaledTogether, NumberBytes = 4 * PanelRows;
constexpr int64_t BytesOfTogether = NumberBytes + Together * PanelRows;

template <typename Stored> struct Bytes {
  /// `Count` k from `First` on of row `Row`; `Destination` is their place, which is all zeros.
  /// Gives the sum of the rounded weights.
  static double packPart(const uint8_t *Source, int64_t Row, int64_t First, int64_t Count,
                         uint8_t *Destination) {
    double Greatest = 0;
    for (int64_t K = 0; K < Count; ++K) {
      double Size = std::abs(static_cast<double>(Stored::readAt(Source, First + K)));
      // What is no number makes its part so.
      Greatest = std::isnan(Size) ? Size : std::max(Size, Greatest);
    }
    auto Scale = static_cast<float>(Greatest / 127);
    store<float>(Destination + 4 * Row, Scale);
    if (!(Scale > 0) || !std::isfinite(Scale))
      return static_cast<double>(Scale);
    uint8_t *Quads = Destination + NumberBytes + 4 * Row;
    int64_t Sum = 0;
    for (int64_t K = 0; K < Count; ++K) {
      auto Number = static_cast<double>(Stored::readAt(Source, First + K));
      auto Integer = std::clamp(std::lrint(Number / static_cast<double>(Scale)), -127L, 127L);
      Quads[K / 4 * PanelRows * 4 + K % 4] = static_cast<uint8_t>(Integer);
      Sum += Integer;
    }
    return static_cast<double>(Scale) * static_cast<double>(Sum);
  }

  static void packPanel(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                        uint8_t *Destination) {
    int64_t Parts = (KBlocks + Together - 1) / Together;
    std::memset(Destination, 0, static_cast<size_t>(NumberBytes + Parts * BytesOfTogether));
    for (int64_t Row = 0; Row < Rows; ++Row) {
      double Sum = 0;
      for (int64_t Part = 0; Part < Parts; ++Part) {
        int64_t First = Part * Together;
        Sum += packPart(Source + Row * RowBytes, Row, First, std::min(Together, KBlocks - First),
                        Destination + NumberBytes + Part * BytesOfTogether);
      }
      store<float>(Destination + 4 * Row, static_cast<float>(Sum));
    }
  }

  static constexpr BlockFormat describe(std::string_view Name, std::string_view File,
                                        uint32_t Type) {
    BlockFormat Format = Stored::describe(Name, File, Type, 8);
    static_assert(BytesOfTogether % Together == 0);
    Format.PanelBlockBytes = BytesOfTogether / Together;
    Format.PanelBlockMultiple = Together;
    Format.PackPanel = packPanel;
    Format.PanelFrontBytes = NumberBytes;
    return Format;
  }
};

constexpr BlockFormat OfF32 = Bytes<StoredF32>::describe("i8_f32", "f32", 0);
constexpr BlockFormat OfF16 = Bytes<StoredF16>::describe("i8_f16", "f16", 1);
constexpr BlockFormat OfBF16 = Bytes<StoredBF16>::describe("i8_bf16", "bf16", 30);

const BlockFormatRegistration RegisterF32(OfF32), RegisterF16(OfF16), RegisterBF16(OfBF16);

} // namespace
} // namespace lathe
