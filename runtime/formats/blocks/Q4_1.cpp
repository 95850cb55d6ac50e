//===- Q4_1.cpp - 32 weights of 4 bits, a scale and a minimum -------------===//
//
// Block, 20 bytes: f16 d, f16 m, then 16 bytes of nibbles n; weight = d * n + m.
// Panel, 640 bytes a block: the nibbles as in Nibbles.h, then d of all 32 rows,
// then m of all 32 rows.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Nibbles.h"
#include "runtime/support/Half.h"

namespace lathe {
namespace {

using namespace blocks;

constexpr int64_t BlockBytes = 4 + NibbleBytes;

/// Rounds twice, as the oracle does: one statement for each operation, so that
/// no compiler makes a fused multiply-add of it.
float weight(float Scale, int Nibble, float Minimum) {
  float Product = Scale * static_cast<float>(Nibble);
  return Product + Minimum;
}

void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
  for (int64_t Block = 0; Block < Blocks; ++Block) {
    float Scale = halfToFloat(load<uint16_t>(Source));
    float Minimum = halfToFloat(load<uint16_t>(Source + 2));
    for (int64_t I = 0; I < NibbleBytes; ++I) {
      int Byte = Source[4 + I];
      Destination[I] = weight(Scale, Byte & 15, Minimum);
      Destination[I + NibbleBytes] = weight(Scale, Byte >> 4, Minimum);
    }
    Source += BlockBytes;
    Destination += NibbleElements;
  }
}

constexpr BlockFormat Format = {
    .Name = "q4_1",
    .GGUFType = 3,
    .BlockElements = NibbleElements,
    .BlockBytes = BlockBytes,
    .Quantized = true,
    .ScaleHalves = 2,
    .PanelBlockBytes = PanelRows * BlockBytes,
    .PanelBlockMultiple = 1,
    .Dequantize = dequantize,
    .PackPanel = packNibbles<2>,
};

const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
