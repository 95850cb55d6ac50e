//===- Q4_0.cpp - 32 weights of 4 bits and a scale ------------------------===//
//
// Block, 18 bytes: f16 d, then 16 bytes of nibbles n; weight = d * (n - 8).
// Panel, 576 bytes a block: the nibbles as in Quads.h, then d of all 32 rows.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Quads.h"

namespace lathe {
namespace {

struct Q4_0 {
  static constexpr int64_t Halves = 1;
  static constexpr int64_t ExtraBits = 0;
  static constexpr auto read = blocks::readSplitNibbles;

  static float weight(float Scale, int Quant, float) {
    return Scale * static_cast<float>(Quant - 8);
  }
};

constexpr BlockFormat Format = blocks::describeBlocks<Q4_0>("q4_0", 2);
const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
