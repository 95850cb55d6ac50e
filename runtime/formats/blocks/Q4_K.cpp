//===- Q4_K.cpp - 256 weights of 4 bits, scales and minima ----------------===//
//
// Super-block, 144 bytes: f16 d, f16 dmin, 12 bytes of scales and minima of 6
// bits, then 128 bytes of nibbles (SuperBlocks.h).
// Panel, 4736 bytes a super-block: d of all 32 rows, dmin of all 32 rows; for each
// block of 32 k the nibbles as in Quads.h, u8 scale[32], u8 minimum[32].
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/SuperBlocks.h"

namespace lathe {
namespace {

struct Q4_K : blocks::ScaledMinimum {
  static constexpr int64_t Bytes = 144;
  static constexpr int64_t ExtraBits = 0;

  static blocks::Quads read(const uint8_t *Super, int64_t Block) {
    return readNibbles(Super + 16, Block);
  }
};

constexpr BlockFormat Format =
    blocks::describeSuperBlocks<Q4_K>("q4_k", 12, blocks::dequantizeScaledMinimum<Q4_K>);
const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
