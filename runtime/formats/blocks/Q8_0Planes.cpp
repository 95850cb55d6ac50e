//===- Q8_0Planes.cpp - Q8_0 with its high bits in front -------------------===//
//
// The blocks of Q8_0 in two planes, so that coarse products read the high bits
// alone (docs/head-screening.md).  With u = q + 128 and U the number of high
// bits, h = u >> (8 - U) and l the bits below.  Rows of nibbles are whole in either
// plane, so that one of them can be read again at the cost of its own bytes.  With B
// blocks in a row, the front part of a panel is:
//
//   f32 certificate of all 32 rows                                 128 bytes
//   for g = 0..1, B times: f16 d of rows 16 g to 16 g + 15       64 B bytes
//   for U = 5 and g = 0..1, B times: fifth bits of these rows,
//     4 bytes each                                               128 B bytes
//   for all 32 rows: nibbles of B blocks, 16 bytes each
//
// and behind the front parts of all panels come their tails:
//
//   U = 4, for all 32 rows: nibbles of l of B blocks
//   U = 5, for all 32 rows: pairs of B blocks, 8 bytes each, then third bits of
//     B blocks, 4 bytes each
//
// Inside a block, four bytes q = 0..3 belong to k = 4 j + q of quads j = 0..7:
//   nibbles: byte 4 i + q has quad 2 i in its low four bits, 2 i + 1 in the high
//   fifth and third bits: bit j of byte q is that of quad j
//   pairs: the two bits from 2 j on of byte 4 s + q are those of quad 4 s + j
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

constexpr int64_t CertificateBytes = 4 * PanelRows, ScaleBytes = 2 * PanelRows;
constexpr int64_t NibbleBytes = 16, BitBytes = 4, PairBytes = 8;
constexpr int64_t HalfPanel = PanelRows / 2;

/// The four bits of each byte of `Value` from `Shift` on.
uint32_t nibbles(uint32_t Value, int64_t Shift) { return Value >> Shift & 0x0f0f0f0f; }

/// What the coarse product leaves out of a block is the sum of (l - middle) a; this is
/// 4 times the sum of the squares of l - middle.
int64_t residualSquares(const blocks::Quads &Biased, int64_t LowBits) {
  int64_t Levels = int64_t(1) << LowBits, Sum = 0;
  for (int64_t K = 0; K < Elements; ++K) {
    int64_t Twice = 2 * (Biased[K] & (Levels - 1)) - (Levels - 1);
    Sum += Twice * Twice;
  }
  return Sum;
}

/// The factor by which the norms of a row of `Blocks` blocks bound the error of its
/// coarse product, rounding included: docs/head-screening.md, "The certificate".
float certificate(int64_t Squares, int64_t Blocks) {
  constexpr double Unit = 0x1p-24, GreatestNorms = 725 + 2 * 767;
  double Terms = static_cast<double>(Blocks + 4) * Unit;
  double Exact = std::sqrt(static_cast<double>(Squares)) / 2;
  double Bound = (Exact + GreatestNorms * Terms) * (1 + 2 * Terms) * (1 + 0x1p-40);
  auto Rounded = static_cast<float>(Bound);
  return Rounded < Bound ? std::nextafter(Rounded, std::numeric_limits<float>::infinity())
                         : Rounded;
}

blocks::Quads readBiased(const uint8_t *Block) {
  blocks::Quads Biased;
  for (int64_t J = 0; J < Elements / 4; ++J)
    Biased.Quad[J] = biasedQuad(Block + 2 + 4 * J);
  return Biased;
}

/// The four bits from `Shift` on of each byte.
void storeNibbles(const blocks::Quads &Biased, int64_t Shift, uint8_t *To) {
  for (int64_t I = 0; I < 4; ++I)
    store<uint32_t>(To + 4 * I, nibbles(Biased.Quad[2 * I], Shift) |
                                    nibbles(Biased.Quad[2 * I + 1], Shift) << 4);
}

/// Bit `Shift` of each byte.
void storeBits(const blocks::Quads &Biased, int64_t Shift, uint8_t *To) {
  uint32_t Bits = 0;
  for (int64_t J = 0; J < Elements / 4; ++J)
    Bits |= (Biased.Quad[J] >> Shift & 0x01010101) << J;
  store<uint32_t>(To, Bits);
}

void storePairs(const blocks::Quads &Biased, uint8_t *To) {
  uint32_t Pairs[2] = {};
  for (int64_t J = 0; J < Elements / 4; ++J)
    Pairs[J / 4] |= (Biased.Quad[J] & 0x03030303) << 2 * (J % 4);
  store<uint32_t>(To, Pairs[0]);
  store<uint32_t>(To + 4, Pairs[1]);
}

/// One way to divide eight bits: how the parts of a row of `KBlocks` blocks are stored.
template <int64_t HighBits> struct Planes {
  static_assert(HighBits == 4 || HighBits == 5);
  static constexpr bool HasFifth = HighBits == 5;
  static constexpr int64_t LowBits = 8 - HighBits;
  static constexpr int64_t HighBytes = NibbleBytes + (HasFifth ? BitBytes : 0);
  static constexpr int64_t LowBytes = HasFifth ? PairBytes + BitBytes : NibbleBytes;

  static void storeLow(const blocks::Quads &Biased, int64_t Block, int64_t KBlocks, uint8_t *Row) {
    if (!HasFifth)
      return storeNibbles(Biased, 0, Row + Block * NibbleBytes);
    storePairs(Biased, Row + Block * PairBytes);
    storeBits(Biased, 2, Row + KBlocks * PairBytes + Block * BitBytes);
  }

  static void packPanel(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                        uint8_t *Destination) {
    uint8_t *Scales = Destination + CertificateBytes, *Fifths = Scales + KBlocks * ScaleBytes;
    uint8_t *High = Fifths + (HasFifth ? KBlocks * PanelRows * BitBytes : 0);
    for (int64_t Row = 0; Row < PanelRows; ++Row) {
      int64_t Squares = 0;
      for (int64_t Block = 0; Block < KBlocks; ++Block) {
        const uint8_t *From = Row < Rows ? Source + Row * RowBytes + Block * BlockBytes : Missing;
        blocks::Quads Biased = readBiased(From);
        storeNibbles(Biased, LowBits, High + (Row * KBlocks + Block) * NibbleBytes);
        int64_t Place = (Row / HalfPanel * KBlocks + Block) * HalfPanel + Row % HalfPanel;
        store<uint16_t>(Scales + 2 * Place, load<uint16_t>(From));
        if (HasFifth)
          storeBits(Biased, 7, Fifths + Place * BitBytes);
        Squares = std::max(Squares, residualSquares(Biased, LowBits));
      }
      store<float>(Destination + 4 * Row, certificate(Squares, KBlocks));
    }
  }

  static void packTail(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                       uint8_t *Destination) {
    for (int64_t Row = 0; Row < PanelRows; ++Row)
      for (int64_t Block = 0; Block < KBlocks; ++Block) {
        const uint8_t *From = Row < Rows ? Source + Row * RowBytes + Block * BlockBytes : Missing;
        storeLow(readBiased(From), Block, KBlocks, Destination + Row * KBlocks * LowBytes);
      }
  }

  static constexpr uint8_t Missing[BlockBytes] = {};

  static constexpr BlockFormat describe(std::string_view Name) {
    return {
        .Name = Name,
        .GGUFType = 8,
        .BlockElements = Elements,
        .BlockBytes = BlockBytes,
        .Quantized = true,
        .ScaleHalves = 1,
        .ScaleOffset = 0,
        .PanelBlockBytes = ScaleBytes + PanelRows * HighBytes,
        .PanelBlockMultiple = 1,
        .Dequantize = dequantize,
        .PackPanel = packPanel,
        .PanelFrontBytes = CertificateBytes,
        .TailBlockBytes = PanelRows * LowBytes,
        .PackTail = packTail,
        .PackingOf = "q8_0",
    };
  }
};

constexpr BlockFormat Planes4 = Planes<4>::describe("q8_0_planes4");
constexpr BlockFormat Planes5 = Planes<5>::describe("q8_0_planes5");

const BlockFormatRegistration Register4(Planes4), Register5(Planes5);

} // namespace
} // namespace lathe
