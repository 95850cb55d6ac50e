//===- Q4_0.cpp - 32 weights of 4 bits and a scale ------------------------===//
//
// Block, 18 bytes: f16 d, then 16 bytes of nibbles n; weight = d * (n - 8).
// Panel, 576 bytes a block: the nibbles as in Nibbles.h, 0..15 as they are,
// then d of all 32 rows.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Nibbles.h"
#include "runtime/support/Half.h"

namespace lathe {
namespace {

using namespace blocks;

constexpr int64_t BlockBytes = 2 + NibbleBytes;

void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
  for (int64_t Block = 0; Block < Blocks; ++Block) {
    float Scale = halfToFloat(load<uint16_t>(Source));
    for (int64_t I = 0; I < NibbleBytes; ++I) {
      int Byte = Source[2 + I];
      Destination[I] = Scale * static_cast<float>((Byte & 15) - 8);
      Destination[I + NibbleBytes] = Scale * static_cast<float>((Byte >> 4) - 8);
    }
    Source += BlockBytes;
    Destination += NibbleElements;
  }
}

constexpr BlockFormat Format = {
    .Name = "q4_0",
    .GGUFType = 2,
    .BlockElements = NibbleElements,
    .BlockBytes = BlockBytes,
    .Quantized = true,
    .ScaleHalves = 1,
    .PanelBlockBytes = PanelRows * BlockBytes,
    .PanelBlockMultiple = 1,
    .Dequantize = dequantize,
    .PackPanel = packNibbles<1>,
};

const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
