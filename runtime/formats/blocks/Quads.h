//===- Quads.h - What formats of 4 to 6 bits share --------------*- C++ -*-===//
//
// In a panel, the quants of 32 k are grouped into 8 quads of four k beside each
// other, as one operand of an int8 dot product wants them.  Quants are
// unsigned, whatever a format subtracts from them.  First the low four bits:
//
//   for j = 0..3, r = 0..1: 64 bytes at 64 * (2 j + r); in byte 4 i + q
//     the low nibble is k = 8 j + q, the high one k = 8 j + 4 + q, of row 16 r + i
//
// then, where quants have a fifth bit, or a fifth and a sixth, the planes:
//
//   5 bits: for r = 0..1: 64 bytes at 512 + 64 r; in byte 4 i + q
//     bit j is of k = 4 j + q of row 16 r + i, j = 0..7
//   6 bits: for h = 0..1, r = 0..1: 64 bytes at 512 + 64 * (2 h + r); in byte 4 i + q
//     the two bits from 2 j on are of k = 16 h + 4 j + q of row 16 r + i, j = 0..3
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_BLOCKS_QUADS_H
#define LATHE_RUNTIME_FORMATS_BLOCKS_QUADS_H

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Half.h"
#include "runtime/support/Unaligned.h"

#include <cstring>

namespace lathe::blocks {

/// k of a block in a panel, and of a block in a file but for super-blocks.
inline constexpr int64_t QuadsElements = 32;

/// The quants of 32 k of one row: byte q of quad j is k = 4 j + q.
struct Quads {
  uint32_t Quad[QuadsElements / 4];

  int operator[](int64_t K) const { return Quad[K / 4] >> 8 * (K % 4) & 255; }
};

/// Bytes of the quants of 32 k of one row, or of 32 rows in a panel, that have
/// `ExtraBits` bits more than four.
constexpr int64_t quadsBytes(int64_t ExtraBits) { return 16 + 4 * ExtraBits; }
constexpr int64_t panelQuadsBytes(int64_t ExtraBits) { return PanelRows * quadsBytes(ExtraBits); }

/// The four bits of each byte from `Shift` (0 or 4) on, at the same place.
inline uint32_t nibblesOf(const uint8_t *Bytes, int64_t Shift) {
  return load<uint32_t>(Bytes) >> Shift & 0x0f0f0f0f;
}

/// Bits 0 to 3 of `Bits`, as the fifth bits of four bytes.
inline uint32_t fifthBits(uint32_t Bits) {
  return (Bits & 1) << 4 | (Bits & 2) << 11 | (Bits & 4) << 18 | (Bits & 8) << 25;
}

/// 16 bytes of nibbles: the low ones are k = 0..15, the high ones k = 16..31.
inline Quads readSplitNibbles(const uint8_t *Nibbles) {
  Quads Result;
  for (int64_t J = 0; J < 4; ++J) {
    Result.Quad[J] = nibblesOf(Nibbles + 4 * J, 0);
    Result.Quad[J + 4] = nibblesOf(Nibbles + 4 * J, 4);
  }
  return Result;
}

/// The same behind 32 bits, of which bit k is the fifth of quant k.
inline Quads readSplitFiveBits(const uint8_t *Bytes) {
  auto Fifth = load<uint32_t>(Bytes);
  Quads Result = readSplitNibbles(Bytes + 4);
  for (int64_t J = 0; J < 8; ++J)
    Result.Quad[J] |= fifthBits(Fifth >> 4 * J);
  return Result;
}

/// Spreads the quants of row `Row` over a panel's block.
template <int64_t ExtraBits> void packQuads(const Quads &From, int64_t Row, uint8_t *PanelBlock) {
  constexpr int64_t Stride = 4 * PanelRows;
  constexpr uint32_t Low = 0x0f0f0f0f;
  uint8_t *To = PanelBlock + 4 * Row;
  for (int64_t J = 0; J < 4; ++J)
    store<uint32_t>(To + J * Stride, (From.Quad[2 * J] & Low) | (From.Quad[2 * J + 1] & Low) << 4);
  constexpr int64_t QuadsOfPlane = ExtraBits ? 8 / ExtraBits : 1;
  for (int64_t Plane = 0; Plane < ExtraBits; ++Plane) {
    uint32_t Bits = 0;
    for (int64_t J = 0; J < QuadsOfPlane; ++J)
      Bits |= (From.Quad[QuadsOfPlane * Plane + J] >> 4 & Low) << ExtraBits * J;
    store<uint32_t>(To + (4 + Plane) * Stride, Bits);
  }
}

/// Rounds twice, as the oracle does: one statement for each operation, so that
/// no compiler makes a fused multiply-add of it.
inline float scaleAndAdd(float Scale, int Quant, float Minimum) {
  float Product = Scale * static_cast<float>(Quant);
  return Product + Minimum;
}

/// Formats of 32 k to a block: `Format::Halves` f16 scales, then quants of
/// 4 + `Format::ExtraBits` bits, which `Format::read` reads.  A panel's block has
/// the quants, the first scale of all 32 rows, then the second.
template <typename Format>
void packBlocks(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                uint8_t *Destination) {
  constexpr int64_t QuantBytes = quadsBytes(Format::ExtraBits);
  constexpr int64_t BlockBytes = 2 * Format::Halves + QuantBytes;
  if (Rows < PanelRows)
    std::memset(Destination, 0, static_cast<size_t>(KBlocks * PanelRows * BlockBytes));
  for (int64_t Block = 0; Block < KBlocks; ++Block) {
    uint8_t *Panel = Destination + Block * PanelRows * BlockBytes;
    uint8_t *Scales = Panel + PanelRows * QuantBytes;
    for (int64_t Row = 0; Row < Rows; ++Row) {
      const uint8_t *From = Source + Row * RowBytes + Block * BlockBytes;
      packQuads<Format::ExtraBits>(Format::read(From + 2 * Format::Halves), Row, Panel);
      for (int64_t Half = 0; Half < Format::Halves; ++Half)
        store<uint16_t>(Scales + 2 * (Half * PanelRows + Row), load<uint16_t>(From + 2 * Half));
    }
  }
}

/// The f32 weights of such blocks: `Format::weight` makes one of the first
/// scale, the quant, and the second scale or 0.
template <typename Format>
void dequantizeBlocks(const uint8_t *Source, int64_t Blocks, float *Destination) {
  constexpr int64_t BlockBytes = 2 * Format::Halves + quadsBytes(Format::ExtraBits);
  for (int64_t Block = 0; Block < Blocks; ++Block) {
    float Scale = halfToFloat(load<uint16_t>(Source));
    float Minimum = Format::Halves == 2 ? halfToFloat(load<uint16_t>(Source + 2)) : 0.0f;
    Quads Quants = Format::read(Source + 2 * Format::Halves);
    for (int64_t K = 0; K < QuadsElements; ++K)
      Destination[K] = Format::weight(Scale, Quants[K], Minimum);
    Source += BlockBytes;
    Destination += QuadsElements;
  }
}

/// The description of such a format.
template <typename Format>
constexpr BlockFormat describeBlocks(std::string_view Name, uint32_t GGUFType) {
  constexpr int64_t BlockBytes = 2 * Format::Halves + quadsBytes(Format::ExtraBits);
  return {
      .Name = Name,
      .GGUFType = GGUFType,
      .BlockElements = QuadsElements,
      .BlockBytes = BlockBytes,
      .Quantized = true,
      .ScaleHalves = Format::Halves,
      .ScaleOffset = 0,
      .PanelBlockBytes = PanelRows * BlockBytes,
      .PanelBlockMultiple = 1,
      .Dequantize = dequantizeBlocks<Format>,
      .PackPanel = packBlocks<Format>,
  };
}

} // namespace lathe::blocks

#endif // LATHE_RUNTIME_FORMATS_BLOCKS_QUADS_H
