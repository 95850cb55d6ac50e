//===- Q5_K.cpp - 256 weights of 5 bits, scales and minima ----------------===//
//
// Super-block, 176 bytes: f16 d, f16 dmin, 12 bytes of scales and minima of 6
// bits, 32 bytes of fifth bits, then 128 bytes of nibbles (SuperBlocks.h).  Bit b
// of byte i of the fifth bits is of k = 32 b + i.
// Panel, 5760 bytes a super-block: d of all 32 rows, dmin of all 32 rows; for each
// block of 32 k the quants as in Quads.h, u8 scale[32], u8 minimum[32].
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/SuperBlocks.h"

namespace lathe {
namespace {

struct Q5_K : blocks::ScaledMinimum {
  static constexpr int64_t Bytes = 176;
  static constexpr int64_t ExtraBits = 1;

  static blocks::Quads read(const uint8_t *Super, int64_t Block) {
    blocks::Quads Result = readNibbles(Super + 48, Block);
    for (int64_t J = 0; J < 8; ++J)
      Result.Quad[J] |= (load<uint32_t>(Super + 16 + 4 * J) >> Block & 0x01010101) << 4;
    return Result;
  }
};

constexpr BlockFormat Format =
    blocks::describeSuperBlocks<Q5_K>("q5_k", 13, blocks::dequantizeScaledMinimum<Q5_K>);
const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
