//===- Q8_0Planes.cpp - Q8_0 with its high bits in front -------------------===//
//
// The blocks of Q8_0 in two planes, so that coarse products read the high bits
// alone (docs/head-screening.md).  With u = q + 128, h = u / 8 and l = u % 8, a
// panel of B blocks is:
//
//   f32 certificate of all 32 rows                                  128 bytes
//   B times: h as the quants of q5_0, then f16 d of all 32 rows     704 bytes
//   B times: l                                                      384 bytes:
//     for s = 0..1, r = 0..1: 64 bytes at 64 * (2 s + r); in byte 4 i + q the two
//       bits from 2 j on are bits 0 and 1 of k = 16 s + 4 j + q of row 16 r + i
//     for r = 0..1: 64 bytes at 256 + 64 r; in byte 4 i + q bit j is bit 2 of
//       k = 4 j + q of row 16 r + i
//
// Missing rows are rows of zeros.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Q8.h"
#include "runtime/formats/blocks/Quads.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {
namespace {

using namespace blocks::q8;

constexpr int64_t LowBits = 3;
constexpr int64_t FrontBytes = 4 * PanelRows;
constexpr int64_t HighBytes = blocks::panelQuadsBytes(1) + 2 * PanelRows;
constexpr int64_t LowBytes = PanelRows * Elements * LowBits / 8;

/// What the coarse product leaves out of a block is the sum of (l - 3.5) a; this is
/// 4 times the sum of the squares of l - 3.5.
int64_t residualSquares(const blocks::Quads &Biased) {
  int64_t Sum = 0;
  for (int64_t K = 0; K < Elements; ++K) {
    int64_t Twice = 2 * (Biased[K] & 7) - 7;
    Sum += Twice * Twice;
  }
  return Sum;
}

/// The factor by which the norms of a row of `Blocks` blocks bound the error of its
/// coarse product, rounding included: docs/head-screening.md, "The certificate".
float certificate(int64_t Squares, int64_t Blocks) {
  constexpr double Unit = 0x1p-24, GreatestNorm = 725;
  double Terms = static_cast<double>(Blocks + 4) * Unit;
  double Exact = std::sqrt(static_cast<double>(Squares)) / 2;
  double Bound = (Exact + 2 * GreatestNorm * Terms) * (1 + 2 * Terms) * (1 + 0x1p-40);
  auto Rounded = static_cast<float>(Bound);
  return Rounded < Bound ? std::nextafter(Rounded, std::numeric_limits<float>::infinity())
                         : Rounded;
}

void packLow(const blocks::Quads &Biased, int64_t Row, uint8_t *Low) {
  uint32_t Pairs[2] = {}, Third = 0;
  for (int64_t J = 0; J < Elements / 4; ++J) {
    Pairs[J / 4] |= (Biased.Quad[J] & 0x03030303) << 2 * (J % 4);
    Third |= (Biased.Quad[J] >> 2 & 0x01010101) << J;
  }
  store<uint32_t>(Low + 4 * Row, Pairs[0]);
  store<uint32_t>(Low + 128 + 4 * Row, Pairs[1]);
  store<uint32_t>(Low + 256 + 4 * Row, Third);
}

void packPanel(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
               uint8_t *Destination) {
  static constexpr uint8_t Missing[BlockBytes] = {};
  uint8_t *High = Destination + FrontBytes, *Low = High + KBlocks * HighBytes;
  for (int64_t Row = 0; Row < PanelRows; ++Row) {
    int64_t Squares = 0;
    for (int64_t Block = 0; Block < KBlocks; ++Block) {
      const uint8_t *From = Row < Rows ? Source + Row * RowBytes + Block * BlockBytes : Missing;
      blocks::Quads Biased, Upper;
      for (int64_t J = 0; J < Elements / 4; ++J) {
        Biased.Quad[J] = biasedQuad(From + 2 + 4 * J);
        Upper.Quad[J] = Biased.Quad[J] >> LowBits & 0x1f1f1f1f;
      }
      blocks::packQuads<1>(Upper, Row, High + Block * HighBytes);
      store<uint16_t>(High + Block * HighBytes + blocks::panelQuadsBytes(1) + 2 * Row,
                      load<uint16_t>(From));
      packLow(Biased, Row, Low + Block * LowBytes);
      Squares = std::max(Squares, residualSquares(Biased));
    }
    store<float>(Destination + 4 * Row, certificate(Squares, KBlocks));
  }
}

constexpr BlockFormat Format = {
    .Name = "q8_0_planes",
    .GGUFType = 8,
    .BlockElements = Elements,
    .BlockBytes = BlockBytes,
    .Quantized = true,
    .ScaleHalves = 1,
    .ScaleOffset = 0,
    .PanelBlockBytes = HighBytes + LowBytes,
    .PanelBlockMultiple = 1,
    .Dequantize = dequantize,
    .PackPanel = packPanel,
    .PanelFrontBytes = FrontBytes,
    .PackingOf = "q8_0",
};

const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
