//===- F16.cpp - IEEE 754 binary16 ----------------------------------------===//
//
// Panel: [k][32] halves, 64 bytes per k.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Transposed.h"
#include "runtime/support/Half.h"

namespace lathe {
namespace {

void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
  for (int64_t I = 0; I < Blocks; ++I)
    Destination[I] = halfToFloat(load<uint16_t>(Source + 2 * I));
}

constexpr BlockFormat Format = {
    .Name = "f16",
    .GGUFType = 1,
    .BlockElements = 1,
    .BlockBytes = 2,
    .Quantized = false,
    .ScaleHalves = 0,
    .ScaleOffset = 0,
    .PanelBlockBytes = 2 * PanelRows,
    .PanelBlockMultiple = 1,
    .Dequantize = dequantize,
    .PackPanel = blocks::packTransposed<uint16_t>,
};

const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
