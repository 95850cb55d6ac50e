//===- Q5_1.cpp - 32 weights of 5 bits, a scale and a minimum -------------===//
//
// Block, 24 bytes: f16 d, f16 m, 32 fifth bits, then 16 bytes of nibbles; with all
// five bits q, weight = d * q + m.
// Panel, 768 bytes a block: the quants as in Quads.h, then d of all 32 rows, then
// m of all 32 rows.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Quads.h"

namespace lathe {
namespace {

struct Q5_1 {
  static constexpr int64_t Halves = 2;
  static constexpr int64_t ExtraBits = 1;
  static constexpr auto read = blocks::readSplitFiveBits;

  static float weight(float Scale, int Quant, float Minimum) {
    return blocks::scaleAndAdd(Scale, Quant, Minimum);
  }
};

constexpr BlockFormat Format = blocks::describeBlocks<Q5_1>("q5_1", 7);
const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
