//===- Q8_0.cpp - 32 weights of 8 bits and a scale ------------------------===//
//
// Panel, 1088 bytes a block:
//
//   for j = 0..7, r = 0..1: 64 bytes at 64 * (2 j + r); byte 4 i + q is
//     the quant of k = 4 j + q of row 16 r + i, xor 0x80 (that is, plus 128)
//   d of all 32 rows
//
// Missing rows have bytes 0x80 and d = 0.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/blocks/Q8.h"

#include <cstring>

namespace lathe {
namespace {

using namespace blocks::q8;

constexpr int64_t PanelQuantBytes = PanelRows * Elements;
constexpr int64_t PanelBlockBytes = PanelRows * BlockBytes;

void packPanel(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
               uint8_t *Destination) {
  constexpr int64_t QuadStride = 4 * PanelRows;
  for (int64_t Block = 0; Block < KBlocks; ++Block) {
    uint8_t *Panel = Destination + Block * PanelBlockBytes;
    uint8_t *Scales = Panel + PanelQuantBytes;
    if (Rows < PanelRows) {
      std::memset(Panel, 0x80, PanelQuantBytes);
      std::memset(Scales, 0, 2 * PanelRows);
    }
    for (int64_t Row = 0; Row < Rows; ++Row) {
      const uint8_t *From = Source + Row * RowBytes + Block * BlockBytes;
      store<uint16_t>(Scales + 2 * Row, load<uint16_t>(From));
      for (int64_t Quad = 0; Quad < Elements / 4; ++Quad)
        store<uint32_t>(Panel + Quad * QuadStride + 4 * Row, biasedQuad(From + 2 + 4 * Quad));
    }
  }
}

constexpr BlockFormat Format = {
    .Name = "q8_0",
    .GGUFType = 8,
    .BlockElements = Elements,
    .BlockBytes = BlockBytes,
    .Quantized = true,
    .ScaleHalves = 1,
    .ScaleOffset = 0,
    .PanelBlockBytes = PanelBlockBytes,
    .PanelBlockMultiple = 1,
    .Dequantize = dequantize,
    .PackPanel = packPanel,
};

const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
