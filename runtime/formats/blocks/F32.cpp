//===- F32.cpp - 32-bit floats --------------------------------------------===//
//
// Panel: [k][32] floats, 128 bytes per k.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Transposed.h"

namespace lathe {
namespace {

void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
  std::memcpy(Destination, Source, static_cast<size_t>(Blocks) * sizeof(float));
}

constexpr BlockFormat Format = {
    .Name = "f32",
    .GGUFType = 0,
    .BlockElements = 1,
    .BlockBytes = 4,
    .Quantized = false,
    .ScaleHalves = 0,
    .ScaleOffset = 0,
    .PanelBlockBytes = 4 * PanelRows,
    .PanelBlockMultiple = 1,
    .Dequantize = dequantize,
    .PackPanel = blocks::packTransposed<uint32_t>,
};

const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
