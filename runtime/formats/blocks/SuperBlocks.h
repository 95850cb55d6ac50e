//===- SuperBlocks.h - What the K-quants share ------------------*- C++ -*-===//
//
// K-quants have super-blocks of 256 k: a few f16 scales for all of them, and
// small integers that scale each 32 or 16 k further.  In a panel, a super-block
// is a header, the f16 scales of all 32 rows one after the other, and then 8
// blocks of 32 k, each with its quants as in Quads.h and its integers behind.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_BLOCKS_SUPERBLOCKS_H
#define LATHE_RUNTIME_FORMATS_BLOCKS_SUPERBLOCKS_H

#include "runtime/formats/blocks/Quads.h"

namespace lathe::blocks {

inline constexpr int64_t SuperElements = 256;
inline constexpr int64_t SuperBlocks = SuperElements / QuadsElements;

/// Integers of one row for a block of 32 k: a scale and a minimum, or the
/// scales of the first and the last 16 k.
struct BlockScales {
  uint8_t First, Second;
};

/// Bytes of a packed super-block.
template <typename Format> constexpr int64_t panelSuperBytes() {
  return PanelRows * (2 * Format::Halves + SuperBlocks * (quadsBytes(Format::ExtraBits) + 2));
}

/// `Format` tells: `Bytes` of a super-block in the file; `Halves`, and at which
/// byte `ScaleOffset` they are; `ExtraBits`; `read(super, block)` and
/// `scales(super, block)` for block 0 to 7; and how `pack` stores the integers of
/// a row at the end of a panel's block.
template <typename Format>
void packSuperBlocks(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                     uint8_t *Destination) {
  constexpr int64_t QuantBytes = panelQuadsBytes(Format::ExtraBits);
  constexpr int64_t HeaderBytes = 2 * PanelRows * Format::Halves;
  constexpr int64_t BlockBytes = QuantBytes + 2 * PanelRows;
  constexpr int64_t PanelBytes = panelSuperBytes<Format>();
  if (Rows < PanelRows)
    std::memset(Destination, 0, static_cast<size_t>(KBlocks * PanelBytes));
  for (int64_t Super = 0; Super < KBlocks; ++Super) {
    uint8_t *Header = Destination + Super * PanelBytes;
    for (int64_t Row = 0; Row < Rows; ++Row) {
      const uint8_t *From = Source + Row * RowBytes + Super * Format::Bytes;
      for (int64_t Half = 0; Half < Format::Halves; ++Half)
        store<uint16_t>(Header + 2 * (Half * PanelRows + Row),
                        load<uint16_t>(From + Format::ScaleOffset + 2 * Half));
      for (int64_t Block = 0; Block < SuperBlocks; ++Block) {
        uint8_t *Panel = Header + HeaderBytes + Block * BlockBytes;
        packQuads<Format::ExtraBits>(Format::read(From, Block), Row, Panel);
        Format::pack(Format::scales(From, Block), Row, Panel + QuantBytes);
      }
    }
  }
}

/// Q4_K and Q5_K: 16 bytes at the start, f16 d, f16 dmin, and 12 bytes with an
/// unsigned scale and minimum of 6 bits for each block;
/// weight = (d * scale) * quant - (dmin * minimum).
struct ScaledMinimum {
  static constexpr int64_t Halves = 2;
  static constexpr int64_t ScaleOffset = 0;

  /// Blocks 0 to 3 have their scales in bytes 0 to 3 and their minima in bytes 4
  /// to 7.  Blocks 4 to 7 have the low four bits of both in bytes 8 to 11, the
  /// high two in the upper bits of the bytes of block - 4.
  static BlockScales scales(const uint8_t *Super, int64_t Block) {
    const uint8_t *Packed = Super + 4;
    auto Low = [](int Bits) { return static_cast<uint8_t>(Bits & 63); };
    if (Block < 4)
      return {Low(Packed[Block]), Low(Packed[Block + 4])};
    int Both = Packed[Block + 4];
    return {Low((Both & 15) | Packed[Block - 4] >> 6 << 4),
            Low(Both >> 4 | Packed[Block] >> 6 << 4)};
  }

  /// The scales of all 32 rows, then their minima.
  static void pack(BlockScales Scales, int64_t Row, uint8_t *Destination) {
    Destination[Row] = Scales.First;
    Destination[PanelRows + Row] = Scales.Second;
  }

  /// 128 bytes of nibbles: bytes 32 i to 32 i + 31 have block 2 i in their low
  /// nibbles and block 2 i + 1 in the high ones.
  static Quads readNibbles(const uint8_t *Nibbles, int64_t Block) {
    Quads Result;
    for (int64_t J = 0; J < 8; ++J)
      Result.Quad[J] = nibblesOf(Nibbles + Block / 2 * 32 + 4 * J, Block % 2 * 4);
    return Result;
  }
};

template <typename Format>
void dequantizeScaledMinimum(const uint8_t *Source, int64_t Blocks, float *Destination) {
  for (; Blocks > 0; --Blocks, Source += Format::Bytes)
    for (int64_t Block = 0; Block < SuperBlocks; ++Block, Destination += QuadsElements) {
      BlockScales Scales = Format::scales(Source, Block);
      float Scale = halfToFloat(load<uint16_t>(Source)) * static_cast<float>(Scales.First);
      float Minimum = halfToFloat(load<uint16_t>(Source + 2)) * static_cast<float>(Scales.Second);
      Quads Quants = Format::read(Source, Block);
      for (int64_t K = 0; K < QuadsElements; ++K)
        Destination[K] = scaleAndAdd(Scale, Quants[K], -Minimum);
    }
}

/// The description of a format of super-blocks.
template <typename Format>
constexpr BlockFormat describeSuperBlocks(std::string_view Name, uint32_t GGUFType,
                                          void (*Dequantize)(const uint8_t *, int64_t, float *)) {
  return {
      .Name = Name,
      .GGUFType = GGUFType,
      .BlockElements = SuperElements,
      .BlockBytes = Format::Bytes,
      .Quantized = true,
      .ScaleHalves = Format::Halves,
      .ScaleOffset = Format::ScaleOffset,
      .PanelBlockBytes = panelSuperBytes<Format>(),
      .PanelBlockMultiple = 1,
      .Dequantize = Dequantize,
      .PackPanel = packSuperBlocks<Format>,
  };
}

} // namespace lathe::blocks

#endif // LATHE_RUNTIME_FORMATS_BLOCKS_SUPERBLOCKS_H
