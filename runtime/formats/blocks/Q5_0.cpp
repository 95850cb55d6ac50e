//===- Q5_0.cpp - 32 weights of 5 bits and a scale ------------------------===//
//
// Block, 22 bytes: f16 d, 32 fifth bits, then 16 bytes of nibbles; with all five
// bits q, weight = d * (q - 16).
// Panel, 704 bytes a block: the quants as in Quads.h, then d of all 32 rows.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Quads.h"

namespace lathe {
namespace {

struct Q5_0 {
  static constexpr int64_t Halves = 1;
  static constexpr int64_t ExtraBits = 1;
  static constexpr auto read = blocks::readSplitFiveBits;

  static float weight(float Scale, int Quant, float) {
    return Scale * static_cast<float>(Quant - 16);
  }
};

constexpr BlockFormat Format = blocks::describeBlocks<Q5_0>("q5_0", 6);
const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
