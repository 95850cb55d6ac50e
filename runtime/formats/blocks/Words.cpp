//===- Words.cpp - Floats rounded to int16 ---------------------------------===//
//
// Matrices of floats, packed as int16 with a scale for each row.  Panel:
//
//   f32 scale of all 32 rows                            128 bytes
//   [k / 2][32][2] int16, the even k first
//
// A pair of k is one operand of an int16 dot product.  A scale is the smallest for
// which no sum of products with a row of !lathe.q16_act leaves int32, in whatever
// order it is summed: the sum of a row's sizes times the greatest element of such
// rows stays below 2^31.  Missing rows are rows of zeros.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/StoredFloats.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace lathe {
namespace {

constexpr int64_t ScaleBytes = 4 * PanelRows, PairBytes = 4;
/// WideActivationType::Limit.
constexpr int64_t GreatestElement = 4095;

/// What one of a row's integers is worth.  Rounding makes each larger by at most a half.
float chooseScale(double Greatest, double Sum, int64_t Count) {
  // What is no number makes its row so.
  if (!std::isfinite(Sum))
    return std::numeric_limits<float>::quiet_NaN();
  double Room = static_cast<double>(std::numeric_limits<int32_t>::max() / GreatestElement - Count);
  double Most = std::numeric_limits<int16_t>::max();
  return static_cast<float>(std::max(Sum / Room, Greatest / Most));
}

template <typename Stored> struct Words {
  /// Of row `Row`; `Destination` is the panel, which is all zeros.
  static void packRow(const uint8_t *Source, int64_t Row, int64_t Count, uint8_t *Destination) {
    double Greatest = 0, Sum = 0;
    for (int64_t K = 0; K < Count; ++K) {
      double Size = std::abs(static_cast<double>(Stored::readAt(Source, K)));
      Greatest = std::max(Greatest, Size);
      Sum += Size;
    }
    float Scale = chooseScale(Greatest, Sum, Count);
    store<float>(Destination + 4 * Row, Scale);
    if (!(Scale > 0))
      return;
    uint8_t *Pairs = Destination + ScaleBytes + PairBytes * Row;
    for (int64_t K = 0; K < Count; ++K)
      store<int16_t>(
          Pairs + K / 2 * PanelRows * PairBytes + K % 2 * 2,
          static_cast<int16_t>(std::lrint(static_cast<double>(Stored::readAt(Source, K)) /
                                          static_cast<double>(Scale))));
  }

  static void packPanel(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                        uint8_t *Destination) {
    int64_t Pairs = (KBlocks + 1) / 2;
    std::memset(Destination, 0, static_cast<size_t>(ScaleBytes + Pairs * PanelRows * PairBytes));
    for (int64_t Row = 0; Row < Rows; ++Row)
      packRow(Source + Row * RowBytes, Row, KBlocks, Destination);
  }

  static constexpr BlockFormat describe(std::string_view Name, std::string_view File,
                                        uint32_t Type) {
    BlockFormat Format = Stored::describe(Name, File, Type, 16);
    Format.PanelBlockBytes = 2 * PanelRows;
    Format.PanelBlockMultiple = 2;
    Format.PackPanel = packPanel;
    Format.PanelFrontBytes = ScaleBytes;
    return Format;
  }
};

constexpr BlockFormat OfF32 = Words<StoredF32>::describe("i16_f32", "f32", 0);
constexpr BlockFormat OfF16 = Words<StoredF16>::describe("i16_f16", "f16", 1);
constexpr BlockFormat OfBF16 = Words<StoredBF16>::describe("i16_bf16", "bf16", 30);

const BlockFormatRegistration RegisterF32(OfF32), RegisterF16(OfF16), RegisterBF16(OfBF16);

} // namespace
} // namespace lathe
