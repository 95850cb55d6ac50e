//===- Q4_1.cpp - 32 weights of 4 bits, a scale and a minimum -------------===//
//
// Block, 20 bytes: f16 d, f16 m, then 16 bytes of nibbles n; weight = d * n + m.
// Panel, 640 bytes a block: the nibbles as in Quads.h, then d of all 32 rows,
// then m of all 32 rows.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Quads.h"

namespace lathe {
namespace {

struct Q4_1 {
  static constexpr int64_t Halves = 2;
  static constexpr int64_t ExtraBits = 0;
  static constexpr auto read = blocks::readSplitNibbles;

  static float weight(float Scale, int Quant, float Minimum) {
    return blocks::scaleAndAdd(Scale, Quant, Minimum);
  }
};

constexpr BlockFormat Format = blocks::describeBlocks<Q4_1>("q4_1", 3);
const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
