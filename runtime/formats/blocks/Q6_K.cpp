//===- Q6_K.cpp - 256 weights of 6 bits and scales ------------------------===//
//
// Super-block, 210 bytes: 128 bytes of low four bits, 64 bytes of high two bits,
// 16 signed bytes, one scale for each 16 k, then f16 d;
// weight = (d * scale) * (quant - 32).
// The two halves of 128 k have 64 bytes of low bits and 32 bytes of high bits
// each.  With c = 0..3 for the 32 k of a half, k = 32 c + i has its low bits in
// byte 32 (c % 2) + i, the low nibble for c < 2, and its high bits in byte i from
// bit 2 c on.
// Panel, 6720 bytes a super-block: d of all 32 rows; for each block of 32 k the
// quants as in Quads.h, then i8 scale[32][2], that of the first 16 k of a row
// first: pairs are what sums of pairs are multiplied with.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/SuperBlocks.h"

namespace lathe {
namespace {

using namespace blocks;

struct Q6_K {
  static constexpr int64_t Bytes = 210;
  static constexpr int64_t Halves = 1;
  static constexpr int64_t ScaleOffset = 208;
  static constexpr int64_t ExtraBits = 2;

  static Quads read(const uint8_t *Super, int64_t Block) {
    int64_t Half = Block / 4, Column = Block % 4;
    const uint8_t *Low = Super + 64 * Half + 32 * (Column % 2);
    const uint8_t *High = Super + 128 + 32 * Half;
    Quads Result;
    for (int64_t J = 0; J < 8; ++J)
      Result.Quad[J] = nibblesOf(Low + 4 * J, Column / 2 * 4) |
                       (load<uint32_t>(High + 4 * J) >> 2 * Column & 0x03030303) << 4;
    return Result;
  }

  static BlockScales scales(const uint8_t *Super, int64_t Block) {
    const uint8_t *Scales = Super + 192 + 2 * Block;
    return {Scales[0], Scales[1]};
  }

  static void pack(BlockScales Scales, int64_t Row, uint8_t *Destination) {
    Destination[2 * Row] = Scales.First;
    Destination[2 * Row + 1] = Scales.Second;
  }
};

void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
  for (; Blocks > 0; --Blocks, Source += Q6_K::Bytes) {
    float Scale = halfToFloat(load<uint16_t>(Source + Q6_K::ScaleOffset));
    for (int64_t Block = 0; Block < SuperBlocks; ++Block, Destination += QuadsElements) {
      auto [First, Second] = Q6_K::scales(Source, Block);
      Quads Quants = Q6_K::read(Source, Block);
      for (int64_t K = 0; K < QuadsElements; ++K) {
        float Each = Scale * static_cast<float>(static_cast<int8_t>(K < 16 ? First : Second));
        Destination[K] = Each * static_cast<float>(Quants[K] - 32);
      }
    }
  }
}

constexpr BlockFormat Format = describeSuperBlocks<Q6_K>("q6_k", 14, dequantize);
const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
