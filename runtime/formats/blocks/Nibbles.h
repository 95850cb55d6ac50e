//===- Nibbles.h - What the 4-bit formats share -----------------*- C++ -*-===//
//
// A block of 32 weights in GGUF has 16 bytes of nibbles: the low nibbles are
// k = 0..15, the high ones k = 16..31.  In a panel they are regrouped into
// quads of k, as one operand of an int8 dot product wants them:
//
//   for j = 0..3, r = 0..1: 64 bytes at 64 * (2 j + r); in byte 4 i + q
//     the low nibble is k = 8 j + q, the high one k = 8 j + 4 + q, of row 16 r + i
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_BLOCKS_NIBBLES_H
#define LATHE_RUNTIME_FORMATS_BLOCKS_NIBBLES_H

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Unaligned.h"

#include <cstring>

namespace lathe::blocks {

inline constexpr int64_t NibbleElements = 32;
inline constexpr int64_t NibbleBytes = 16;
inline constexpr int64_t PanelNibbleBytes = PanelRows * NibbleBytes;

/// Spreads the nibbles of one block of row `Row` over a panel's block.
inline void packNibbleRow(const uint8_t *Nibbles, int64_t Row, uint8_t *PanelBlock) {
  constexpr uint32_t Low = 0x0f0f0f0f;
  constexpr uint32_t High = 0xf0f0f0f0;
  constexpr int64_t QuadPairStride = 4 * PanelRows;
  auto K0 = load<uint32_t>(Nibbles);
  auto K4 = load<uint32_t>(Nibbles + 4);
  auto K8 = load<uint32_t>(Nibbles + 8);
  auto K12 = load<uint32_t>(Nibbles + 12);
  uint8_t *Quads = PanelBlock + 4 * Row;
  store<uint32_t>(Quads, (K0 & Low) | (K4 & Low) << 4);
  store<uint32_t>(Quads + QuadPairStride, (K8 & Low) | (K12 & Low) << 4);
  store<uint32_t>(Quads + 2 * QuadPairStride, (K0 >> 4 & Low) | (K4 & High));
  store<uint32_t>(Quads + 3 * QuadPairStride, (K8 >> 4 & Low) | (K12 & High));
}

/// Packs blocks of `Halves` f16 scales and then nibbles.  The scales follow the
/// nibbles of a panel's block: the first of all 32 rows, then the second.
template <int64_t Halves>
void packNibbles(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                 uint8_t *Destination) {
  constexpr int64_t BlockBytes = 2 * Halves + NibbleBytes;
  constexpr int64_t PanelBlockBytes = PanelRows * BlockBytes;
  if (Rows < PanelRows)
    std::memset(Destination, 0, static_cast<size_t>(KBlocks * PanelBlockBytes));
  for (int64_t Block = 0; Block < KBlocks; ++Block) {
    uint8_t *Panel = Destination + Block * PanelBlockBytes;
    uint8_t *Scales = Panel + PanelNibbleBytes;
    for (int64_t Row = 0; Row < Rows; ++Row) {
      const uint8_t *From = Source + Row * RowBytes + Block * BlockBytes;
      packNibbleRow(From + 2 * Halves, Row, Panel);
      for (int64_t Half = 0; Half < Halves; ++Half)
        store<uint16_t>(Scales + 2 * (Half * PanelRows + Row), load<uint16_t>(From + 2 * Half));
    }
  }
}

} // namespace lathe::blocks

#endif // LATHE_RUNTIME_FORMATS_BLOCKS_NIBBLES_H
